#!/usr/bin/env python3
"""What an application does with an SDK, played with real SDKs against a real server, with exact outcomes.

    scenarios.py --server 'fanring serve --listen 127.0.0.1:{port} --config {config} {options}' --config scenarios.toml \\
        [--only WORD] [--reference] [--long] [--nginx EXECUTABLE] process COMMAND... | chromium EXECUTABLE SDK.js

The scenarios are those of the modules in SCENARIOS; a puppet (tests/sdk/puppet.py) does with its SDK what they say. Commands:
open (url, token or tokens), connect, disconnect, subscribe (channel, token or tokens, join_leave, usual_delays), unsubscribe, and,
with a number `call`, publish, presence, presence_stats and history. Events: connecting, connected, disconnected, subscribing,
subscribed, unsubscribed, publication, join, leave, error, token (one was asked for), result and failure. With --reference the
server is Centrifugo, and what Fanring alone promises is left out. --long plays only those with slow readers, and for minutes.
Without --nginx what needs that is left out.
"""

import argparse
import pathlib
import sys
import time
import traceback

import everyday
import interrupted
import slow
from actor import Actor, Troupe
from puppet import Page, Process
from stage import Stage

SCENARIOS = (*everyday.SCENARIOS, *interrupted.SCENARIOS, *slow.SCENARIOS)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--config", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--nginx")
    parser.add_argument("kind", choices=["process", "chromium"])
    parser.add_argument("puppet", nargs="+")
    arguments = parser.parse_args()
    scenarios = slow.SCENARIOS if arguments.long else SCENARIOS
    scenarios = [each for each in scenarios if arguments.only in each.__name__]
    if arguments.reference:
        scenarios = [each for each in scenarios if each not in slow.OURS_ONLY]
    if not arguments.nginx:
        scenarios = [each for each in scenarios if each not in slow.BEHIND_NGINX]
    puppet = Process(arguments.puppet) if arguments.kind == "process" else Page(*arguments.puppet)
    try:
        failed = play(scenarios, arguments, puppet)
    finally:
        puppet.close()
    print(f"{len(scenarios) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed or not scenarios else 0)


def play(scenarios, arguments, puppet):
    """The scenarios that failed, of all."""
    stage = Stage(arguments.server, pathlib.Path(arguments.config).absolute(), puppet)
    stage.troupe, stage.reference = Troupe(puppet), arguments.reference
    stage.is_long, stage.nginx = arguments.long, arguments.nginx
    stage.actor = lambda url, user="1", **options: Actor(stage, url, user, **options)
    failed = []
    try:
        for scenario in scenarios:
            stage.server.start_with(slow.OPTIONS.get(scenario, ""))
            started = time.monotonic()
            try:
                found = scenario(stage)
                print(f"passed  {scenario.__name__} ({time.monotonic() - started:.1f} s{': ' + found if found else ''})", flush=True)
            except Exception:
                failed.append(scenario)
                print(f"FAILED  {scenario.__name__}\n{traceback.format_exc()}{stage.server.said()}", flush=True)
            stage.troupe.rest()
    finally:
        stage.server.kill()
    return failed


if __name__ == "__main__":
    main()
