"""Care: an application is under one name."""

import pytest

from autoloop.core.app import AppSpec, parse_app
from autoloop.core.care import about, refuse_shared
from autoloop.core.errors import NotAllowed


def test_one_application_is_under_care_once() -> None:
    """By its code, settings and databases; a front may be shared, another host is another."""

    def spec(name: str, address: str = "10.0.0.5", **more: object) -> AppSpec:
        front = {"name": "front", "unit": "nginx.service", "config": ["/etc/nginx/nginx.conf"]}
        case = {"name": "health", "url": "http://127.0.0.1/"}
        host = {"address": address}
        return parse_app(
            {"name": name, "host": host, "components": [front], "cases": [case], **more}, "x"
        )

    code = {"code": {"path": "/srv/shop/app"}}
    there = {"shop": about(spec("shop", **code)), "older": {"host": "10.0.0.5"}}
    refuse_shared(spec("shop", **code), there)
    refuse_shared(spec("other"), there)
    refuse_shared(spec("other", "10.0.0.6", **code), there)
    with pytest.raises(NotAllowed, match=r"/srv/shop/app on 10\.0\.0\.5 is under care as 'shop'"):
        refuse_shared(spec("other", **code), there)
