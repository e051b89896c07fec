"""The Prefect UI as people use it: a real browser fills forms in, reads reports, approves plans.

The application is on a throw-away host where we are root, else in a folder of this machine.
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium import webdriver
from selenium.common.exceptions import (
    StaleElementReferenceException,
    TimeoutException,
    WebDriverException,
)
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from autoloop.arena.hosts import up
from autoloop.arena.image import build
from autoloop.arena.ports import free_port
from autoloop.arena.product import Product
from autoloop.platform import demo
from autoloop.platform.demo_app import document
from autoloop.platform.story import Broken

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="apt-get install chromium-driver"),
]

APP = "in-the-ui"
WAIT_S = 60.0
ON_HOSTS = os.geteuid() == 0
REDUCED = {"every_s": 86400, "confirm": 2, "confirm_gap_s": 0.5, "hold_s": 0.5}


class Ui:
    """Prefect's UI in a browser, used by what people see: labels, buttons, tabs."""

    def __init__(self, browser: webdriver.Chrome, url: str) -> None:
        self.browser, self.url = browser, url

    def open(self, path: str) -> None:
        """A page."""
        self.browser.get(self.url + path)

    def until(self, what: Callable[[], Any], seconds: float = WAIT_S) -> Any:
        """The first answer of *what* that is something."""
        ignored = (StaleElementReferenceException, WebDriverException)
        return WebDriverWait(self.browser, seconds, 0.2, ignored).until(lambda _: what())

    def sees(self, words: str, seconds: float = WAIT_S) -> None:
        """Wait until the page says so."""
        end = time.monotonic() + seconds
        while words not in self.text():
            assert time.monotonic() < end, f"no '{words}' in:\n{self.text()}"
            time.sleep(0.2)

    def text(self) -> str:
        """All that can be read."""
        return str(self.until(lambda: self.browser.find_element(By.TAG_NAME, "body")).text)

    def press(self, words: str, tag: str = "button") -> None:
        """The last thing on the page that says exactly this: a dialog comes after its page."""
        path = f"//{tag}[normalize-space(.)='{words}']"

        def pressed() -> bool:
            self.browser.find_elements(By.XPATH, path)[-1].click()
            return True

        self.until(lambda: self.browser.find_elements(By.XPATH, path))
        self.until(pressed)

    def submit(self) -> None:
        """Submit a dialog: it goes when the server has taken it."""
        there = "//button[normalize-space(.)='Submit']"
        self._until_gone(lambda: self.browser.find_elements(By.XPATH, there))

    def _until_gone(self, there: Callable[[], Any]) -> None:
        """Press Submit until what it belongs to is gone: a page that is not ready yet drops it."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            self.press("Submit")
            with contextlib.suppress(TimeoutException):
                self.until(lambda: not there(), 10)
                return
        raise AssertionError(f"nothing was sent:\n{self.text()}")

    def fill(self, label: str, value: str) -> None:
        """One field of a form: a choice, or a text."""
        inside = f"[.//label[starts-with(normalize-space(.), '{label}')]]"
        path = f"//div[contains(@class, 'p-label')]{inside}"
        field: WebElement = self.until(lambda: self.browser.find_element(By.XPATH, path))
        if choices := field.find_elements(By.TAG_NAME, "select"):
            Select(choices[0]).select_by_visible_text(value)
        else:
            field.find_element(By.TAG_NAME, "textarea").send_keys(value)

    def send(self) -> None:
        """The form: its page goes when the server has taken it."""
        self._until_gone(lambda: self.browser.current_url.endswith("/run"))

    def follow(self, words: str) -> None:
        """A link whose text has these words."""
        path = f"//a[contains(normalize-space(.), '{words}')]"
        self.until(lambda: self.browser.find_element(By.XPATH, path)).click()

    def colours(self) -> int:
        """How many colours the picture of a run has; an empty one has very few."""
        canvas = self.until(lambda: self.browser.find_element(By.TAG_NAME, "canvas"))
        return len(set(canvas.screenshot_as_png))


class Platform:
    """A platform with one application, whose people want to be asked about everything."""

    def __init__(self, product: Product, lose_setting: Callable[[], Any]) -> None:
        self.product, self.lose_setting = product, lose_setting
        self.prefect = f"http://127.0.0.1:{product.environment['AUTOLOOP_PREFECT_PORT']}"
        self.api = httpx.Client(base_url=f"{self.prefect}/api", timeout=30)

    def deployment(self, name: str) -> str:
        """Its id."""
        reply = self.api.get(f"/deployments/name/{name}/{name}")
        return str(reply.raise_for_status().json()["id"])

    def newest(self, key: str) -> str:
        """The id of the newest artifact of a key."""
        wanted = {"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC", "limit": 1}
        return str(self.api.post("/artifacts/filter", json=wanted).json()[0]["id"])

    def run_of(self, flow: str, *states: str) -> str:
        """The id of the newest run of a flow, once it is in one of these states."""
        end = time.monotonic() + WAIT_S
        body = {"flows": {"name": {"any_": [flow]}}, "sort": "START_TIME_DESC", "limit": 1}
        found: list[dict[str, Any]] = []
        while time.monotonic() < end:
            reply = self.api.post("/flow_runs/filter", json=body)
            found = reply.json() if reply.status_code == 200 else []
            if found and found[0]["state_name"] in states:
                return str(found[0]["id"])
            time.sleep(0.5)
        raise AssertionError(f"{flow}: {found[0]['state'] if found else 'no run'}")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """See `Platform`."""
    folder = tmp_path_factory.mktemp("ui")
    with Product(folder / "home") as product, (on_host if ON_HOSTS else here)(product) as break_it:
        made = Platform(product, break_it)
        yield made
        made.api.close()


@contextmanager
def on_host(product: Product) -> Iterator[Callable[[], Any]]:
    """The application on a host of its own; how to break it."""
    with up("prefect-ui", build()) as host:
        product.register(APP, host, risk="none", **REDUCED)
        lose = "sed -i /^JWT_TTL_S=/d /etc/lingzhi/lingzhi.env; systemctl restart lingzhi"
        yield partial(host.inside, lose)
        product.unregister(APP)


@contextmanager
def here(product: Product) -> Iterator[Callable[[], Any]]:
    """The application in a folder of this machine; how to break it."""
    root = product.home.parent / "app"
    facts = demo.application("up", root, "--port", str(free_port()))
    try:
        spec = document(facts, str(product.home / "agent"))
        spec |= {"name": APP, "limits": {"risk": "none"}, "health": REDUCED}
        path = product.home / "app.json"
        path.write_text(json.dumps(spec))
        product.command("register", str(path))
        yield Broken(facts).lose_setting
    finally:
        demo.application("down", root)


@pytest.fixture(scope="module")
def ui(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """A browser of its own; it never looks for anything on the network."""
    options = Options()
    options.binary_location = str(CHROMIUM)
    profile: Path = tmp_path_factory.mktemp("profile")
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run"):
        options.add_argument(word)
    options.add_argument("--window-size=1400,1000")
    options.add_argument(f"--user-data-dir={profile}")
    browser = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        yield Ui(browser, platform.prefect)
    finally:
        browser.quit()


def picture(ui: Ui, name: str) -> None:
    """Keep what is seen, where somebody asked for it: for the documents, or to look at."""
    if folder := os.environ.get("AUTOLOOP_TEST_PICTURES"):
        ui.browser.save_screenshot(str(Path(folder) / f"{name}.png"))


def test_trouble_is_reported_seen_read_and_approved(platform: Platform, ui: Ui) -> None:
    """The form says "database"; the host shows a lost setting, and a person approves its plan."""
    platform.lose_setting()
    ui.open(f"/deployments/deployment/{platform.deployment('database')}/run")
    ui.fill("Application", APP)
    ui.fill("What was seen", "登录报错: no such table: users")
    ui.fill("Kind of trouble", "schema_mismatch")
    ui.fill("Table", "users")
    picture(ui, "form")
    ui.send()

    run = platform.run_of("database", "Suspended")
    ui.open(f"/runs/flow-run/{run}")
    ui.sees("Suspended")
    assert ui.colours() > 10
    ui.press("Task Runs", "li")
    for step in ("open incident", "diagnose target", "choose remedies", "wait for approval"):
        ui.sees(step)
    ui.press("Artifacts", "li")
    ui.follow("report-i-")
    ui.sees("CONFIG.env_missing")
    ui.sees("without a person")

    ui.open(f"/runs/flow-run/{run}")
    ui.press("Resume")
    ui.sees("JWT_TTL_S" if ON_HOSTS else "DATABASE_URL")
    ui.fill("Reason", "in the daytime")
    picture(ui, "approval")
    ui.submit()
    platform.run_of("database", "Completed")
    ui.sees("Completed")
    incidents = platform.product.incidents(APP)  # checks and logs may have noticed it too
    [incident] = [one for one in incidents if one["fields"].get("table") == "users"]
    assert any("by Prefect's UI: in the daytime" in row["reason"] for row in incident["timeline"])
    assert (incident["state"], incident["outcome"]["remedy"]) == ("closed", "restore_setting")
    assert incident["fields"] == {"type": "DATABASE.schema_mismatch", "table": "users"}
    ui.open(f"/runs/flow-run/{run}")
    time.sleep(2)  # its picture moves into place
    picture(ui, "run")
    ui.open(f"/artifacts/artifact/{platform.newest('report-' + incident['id'])}")
    ui.sees("repaired and proved")
    ui.sees("Why it went down")
    picture(ui, "report")


def test_a_form_that_is_not_whole_is_not_sent(platform: Platform, ui: Ui) -> None:
    """The field says why."""
    ui.open(f"/deployments/deployment/{platform.deployment('service')}/run")
    ui.sees("Component")
    ui.press("Submit")
    ui.sees("'app' is a required property")
    assert ui.browser.current_url.endswith("/run")


def test_a_name_that_is_wrong_fails_the_run_in_words(platform: Platform, ui: Ui) -> None:
    """Field, value and next step stand on the run's page; no incident is opened."""
    before = platform.product.incidents(APP)
    ui.open(f"/deployments/deployment/{platform.deployment('service')}/run")
    ui.fill("Application", APP)
    ui.fill("Component", "cache")
    ui.send()
    ui.open(f"/runs/flow-run/{platform.run_of('service', 'Failed')}")
    ui.press("Details", "li")
    ui.press("See More", "*")
    ui.sees(f"component 'cache': {APP} has no such component, but app")
    ui.sees("choose one of them, or leave it empty")
    assert platform.product.incidents(APP) == before
