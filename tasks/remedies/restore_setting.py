"""Put settings back that are missing or changed since the application was last proved good."""

import hashlib
from collections.abc import Mapping
from typing import Any

from autoloop.core.effect import Effect
from autoloop.core.facts import Drift, SettingsDrift
from autoloop.core.putting_back import restarts, running_again
from autoloop.core.remedy import Context, PlannedAction, Proposal, Refusal
from autoloop.core.settings_file import put_back
from autoloop.core.suspicions.seen import drift_of
from autoloop.core.target import ChangeFiles, FileChange, Observer, Read
from autoloop.core.words import Words


class RestoreSetting:
    """Touches only the lines of the settings that differ; others that were added stay.

    What is missing comes back together, what was changed one at a time.
    """

    name = "restore_setting"
    cures = frozenset(
        {
            "LOGIN.token_expired",
            "CONFIG.auth_failed",
            "CONFIG.env_missing",
            "CONFIG.invalid_config_file",
            "CONFIG.wrong_port",
        }
    )
    rank = 10
    words = Words(
        en="Put the setting back as it was when all was well, and restart.",
        zh="将配置项恢复为最近一次正常时的值并重启。",
    )

    def propose(self, context: Context, host: Observer) -> Proposal | Refusal:
        """Needs a known good state in which the culprit stands."""
        drift = self._drift(context)
        if drift is None or drift.settings is None:
            why = Words(
                en="no setting differs from the last good state", zh="没有配置项偏离正常状态"
            )
            return Refusal(remedy=self.name, why=why)
        key, part = context.cause.culprit, context.component
        contents = self.contents(context, host)
        if not contents:
            why = Words(
                en=f"{drift.path} cannot be read whole as text, or has changed meanwhile",
                zh=f"{drift.path} 无法作为文本完整读取，或已再次改变",
            )
            return Refusal(remedy=self.name, why=why)
        sha = next(iter(contents))
        after = drift.good if drift.now.kind != "file" else drift.now
        change = FileChange(
            path=drift.path, before=drift.now, after=after.model_copy(update={"sha256": sha})
        )
        good, now = _values(drift.settings, key)
        return Proposal(
            remedy=self.name,
            why=Words(
                en=f"{key} in {drift.path} differs from the state last proved good",
                zh=f"{drift.path} 中的 {key} 与最近一次验证正常的状态不同",
            ),
            actions=(
                PlannedAction(action=ChangeFiles(changes=(change,))),
                *restarts([part]),
            ),
            effects=(
                Effect(kind="setting", subject=f"{drift.path}#{key}", before=now, after=good),
                Effect(kind="file", subject=drift.path, before=drift.now.sha256 or None, after=sha),
                running_again(part),
            ),
            risk="low",
            files={drift.path: sha},
        )

    def contents(self, context: Context, host: Observer) -> Mapping[str, bytes]:
        """The settings file with the lines of what is missing, or of the changed one, as they were.

        Nothing when the text that the host gave is not the file's whole content.
        """
        drift = self._drift(context)
        if drift is None:
            return {}
        read = Read(op="drift", args={"app": context.spec.name, "texts": [drift.path]})
        answer = host.observe([read])[0]
        rows = answer.value["changes"] if answer.ok else []
        row = next((row for row in rows if row["path"] == drift.path), None)
        if (
            row is None
            or drift.settings is None
            or not (_whole(row, "good") and _whole(row, "now"))
        ):
            return {}
        culprit, missing = context.cause.culprit, drift.settings.missing
        keys = frozenset(missing if culprit in missing else {culprit})
        data = put_back(row["now_text"], row["good_text"], keys).encode()
        return {hashlib.sha256(data).hexdigest(): data}

    @staticmethod
    def _drift(context: Context) -> Drift | None:
        key = context.cause.culprit
        for drift in drift_of(context.facts, context.component):
            if drift.settings and key in drift.settings.names():
                return drift
        return None


def _values(drift: SettingsDrift, key: str) -> tuple[str | None, str | None]:
    """What the setting was and is, as it may be shown; nothing where it is not there."""
    if key in drift.added:
        return None, "set"
    return drift.changed.get(key, ("as in the last good state", None))


def _whole(row: Mapping[str, Any], side: str) -> bool:
    """Whether the text of that side is the file as it is: not cut, and every byte of it text."""
    state, text = row[side], str(row[f"{side}_text"]).encode()
    return state["kind"] != "file" or bool(hashlib.sha256(text).hexdigest() == state["sha256"])


REMEDY = RestoreSetting()
