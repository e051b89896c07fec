"""The probes there are: what can be wrong with a component, and the facts that show it."""

from autoloop.core.probe import PerComponent, Probe
from autoloop.core.suspicions import (
    certificates,
    clock,
    code,
    data,
    databases,
    disk,
    logs,
    memory,
    procedures,
    servers,
    service,
    settings,
)

PROBES: tuple[Probe, ...] = tuple(
    PerComponent(judge.__name__, judge)
    for judge in (
        disk.disk_full,
        disk.quota_reached,
        data.data_damaged,
        data.data_gone,
        data.data_locked,
        clock.clock_wrong,
        certificates.certificate_expired,
        settings.setting_missing,
        settings.setting_wrong,
        settings.setting_added,
        settings.config_broken,
        settings.config_changed,
        settings.config_points_elsewhere,
        settings.permission_lost,
        code.code_changed,
        code.code_raises,
        procedures.procedure_due,
        servers.server_away,
        databases.server_holds_back,
        databases.server_takes_no_changes,
        databases.server_nearly_full,
        memory.memory_leak,
        service.port_taken,
        service.cannot_be_started,
        service.files_exhausted,
        service.not_running,
        service.kept_away,
        service.hangs,
        logs.log_says,
        service.does_not_answer,
    )
)
