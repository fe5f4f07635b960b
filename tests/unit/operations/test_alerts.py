"""The alerts ask for metrics that exist, and operators read what to do about each."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase

from entitlements.operations import metrics

ROOT = Path(__file__).parents[3]
RULES = yaml.safe_load((ROOT / "deploy/alerts.yml").read_text())["groups"][0]["rules"]


def series() -> set[str]:
    found = set()
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            name = metric.describe()[0].name
            endings = ("_total",) if isinstance(metric, Counter) else ("_bucket", "_count", "_sum")
            found |= {name + ending for ending in endings} if isinstance(metric, (Counter, Histogram)) else {name}
    return found


def test_an_alert_asks_for_metrics_that_exist() -> None:
    asked = {name for rule in RULES for name in re.findall(r"entitlements_\w+", rule["expr"])}
    assert len(asked) > 8
    assert asked <= series()


def test_an_operator_reads_what_to_do_about_each_alert() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    told = set(re.findall(r"^\| ([A-Z]\w+) \|", page, re.MULTILINE))
    assert told == {rule["alert"] for rule in RULES}


def test_the_example_scrapes_and_loads_the_alerts() -> None:
    example = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())
    assert example["rule_files"] == ["alerts.yml"]
    assert all(job["job_name"].startswith("entitlements-") for job in example["scrape_configs"])
