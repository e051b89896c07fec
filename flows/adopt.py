"""Taking an application into care."""

from prefect import flow, runtime

from autoloop.core.work import Work
from flows.forms import App
from tasks.care import check_alone, take_into_care
from tasks.health import Adopted, check_health, remember_good
from tasks.target import working_on, writing


@flow(name="adopt", flow_run_name="adopt {app}", persist_result=True, result_serializer="json")
def adopt(app: App) -> Adopted:
    """Look at the application; when every case passes, back it up, call that state good, and take
    it into care. That state is what remedies restore from. An application that is not well is
    refused, and one whose code, settings or databases are under care by another name."""
    work = Work(id=f"a-{runtime.flow_run.id}", app=app)
    with working_on(work), writing(work):
        check_alone(work)
        adopted = remember_good(work, check_health(work))
        take_into_care(work)
        return adopted
