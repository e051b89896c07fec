"""Taking an application into care."""

from prefect import flow, runtime

from autoloop.core.work import Work
from flows.forms import App
from tasks.health import Adopted, check_health, remember_good
from tasks.target import working_on, writing


@flow(name="adopt", flow_run_name="adopt {app}", persist_result=True, result_serializer="json")
def adopt(app: App) -> Adopted:
    """Look at the application; when every case passes, back it up and call that state good.
    It is what remedies restore from. An application that is not well is refused."""
    work = Work(id=f"a-{runtime.flow_run.id}", app=app)
    with working_on(work), writing(work):
        look = check_health(work)
        return remember_good(work, look)
