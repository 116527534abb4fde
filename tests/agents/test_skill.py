"""The bundled skill, as the real agents find it: linked into their folders, told to the model, and gone again."""

from __future__ import annotations

import json

import pytest

from .drivers import DRIVERS, driver_of
from .drivers.base import Driver
from .script import Script, Text
from .twins import Twins

pytestmark = pytest.mark.real_agent

TOLD = "Ask hookkit why a line of this repository exists."


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> Driver:
    return driver_of(str(request.param))


def test_the_model_is_told_of_the_skill_until_it_is_removed(twins: Twins, driver: Driver) -> None:
    box = twins.box("skilled", install=False)
    box.repository()
    name = driver.package.name
    box.hookkit("install", "skill", "--harness", name)
    run = box.run(Script([[Text("Hello.")]]), "Say hello.")
    assert any(TOLD in json.dumps(recorded.request) for recorded in run.requests)
    box.hookkit("remove", "skill", "--harness", name)
    assert not [path for path in box.home.rglob("skills/hookkit") if path.is_symlink()]
