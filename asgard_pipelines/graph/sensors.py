"""The one sensor: when a snapshot lands in an external table, what stands on it is brought up to date."""

from __future__ import annotations

import json

import dagster as dg

from asgard_pipelines.declarations import Declarations
from asgard_pipelines.graph.keeping_up import next_step
from asgard_pipelines.settings import Settings


def keep_up_sensor(declarations: Declarations) -> dg.SensorDefinition:
    @dg.sensor(
        name="keep_up_with_the_data",
        description="Watches the external gold tables and brings up to date what differs from them: "
        "gold tables, models by their retraining policy, predictions.",
        # Not `target`: that makes one job of them all, and those of several clocks are none.
        asset_selection=dg.AssetSelection.all(include_sources=False),
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def keep_up_with_the_data(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        from asgard_pipelines.lakehouse import Lakehouse

        settings = Settings.read()
        step = next_step(settings, Lakehouse(settings), declarations, context.instance)
        keys: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
        for clock, new in step.observed.new_keys.items():
            if step.observed.displaced.get(clock):
                keys.append(dg.DeleteDynamicPartitionsRequest(clock, step.observed.displaced[clock]))
            if new:
                keys.append(dg.AddDynamicPartitionsRequest(clock, new))
        cursor = json.dumps({table: pin.snapshot_id for table, pin in sorted(step.observed.pins.items())})
        return dg.SensorResult(
            run_requests=[step.request] if step.request else None,
            skip_reason=None if step.request else dg.SkipReason(step.reason),
            cursor=cursor,
            dynamic_partitions_requests=keys,
            asset_events=step.observed.events,
        )

    return keep_up_with_the_data
