"""Starting, reloading and stopping."""

import os
import signal

from harness import Sluice, expect, expect_equal, poll, run, test
from queries import Asker, addresses, ask, question, texts
from shares import CONFIG


@test
def ready_names_the_listeners(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    line = next(line for line in sluice.process.log().splitlines() if line.startswith("ready"))
    expect(f"127.0.0.1:{sluice.port}" in line, f"the listener is not in {line!r}")


@test
def sigterm_and_sigint_end_it_with_0(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    for number in (signal.SIGTERM, signal.SIGINT):
        sluice.start()
        sluice.process.signal(number)
        poll(f"the end after {number.name}", lambda: not sluice.process.alive())
        expect_equal(f"exit code after {number.name}", sluice.process.popen.wait(), 0)
        expect(not os.path.exists(sluice.socket_path), "the admin socket is still there")


@test
def sighup_takes_a_new_zone_and_config(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    with open(sandbox.path("shop.example.zone"), "a", encoding="utf-8") as zone:
        zone.write('news TXT "fresh"\n')
    sluice.write_config(CONFIG.replace("v1 = 90, v2 = 10", "v1 = 0, v2 = 1") + '[steer."new.shop.example"]\npools = { v2 = 1 }\n')
    sluice.process.signal(signal.SIGHUP)
    poll("the new record", lambda: texts(ask(sluice.port, "news.shop.example", "TXT")))
    expect_equal("a new steer", texts(ask(sluice.port, "new.shop.example", "A"))[0].split()[-1], "127.0.2.1")
    with Asker(sluice.port) as asker:
        given = {address for reply in asker.ask_many([question("www.shop.example", "A")] * 500) for address in addresses(reply)}
    expect_equal("addresses with the new weights", given, {"127.0.2.1"})


@test
def a_reload_keeps_what_was_set_at_run_time(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    sluice.ctl("weight", "set", "www.shop.example", "v1=3", "v2=7")
    sluice.ctl("endpoint", "drain", "127.0.1.1")
    sluice.ctl("reload")
    expect_equal("weights", sluice.weights("www.shop.example"), {"v1": 3, "v2": 7})
    expect_equal("word", sluice.endpoint("127.0.1.1")["word"]["word"], "drain")


@test
def no_query_is_lost_while_weights_change_and_zones_reload(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    with Asker(sluice.port) as asker:
        for number in range(20):
            sluice.ctl("weight", "set", "www.shop.example", f"v1={number + 1}", "v2=1")
            sluice.ctl("reload")
            for reply in asker.ask_many([question("www.shop.example", "A")] * 200):
                expect(addresses(reply), "an empty answer")


@test
def version_and_config_check_work_on_the_command_line(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    expect("0.1.0" in sluice.ctl("version"), "no version")
    result = run([sluice.program("sluicectl"), "config", "check", sluice.config_path])
    expect_equal(f"exit code of config check\n{result.stdout}{result.stderr}", result.returncode, 0)
    sandbox.write("sluice.toml", "[server]\nlisten = 5\n")
    result = run([sluice.program("sluicectl"), "config", "check", sluice.config_path])
    expect_equal("exit code of config check of a broken config", result.returncode, 1)
    expect("sluice.toml:2:10: error: " in result.stdout + result.stderr, f"no place in {result.stdout}{result.stderr}")


@test
def the_metrics_count_queries(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    with Asker(sluice.port) as asker:
        asker.ask_many([question("www.shop.example", "A")] * 100)
    text = sluice.ctl("metrics")
    expect('sluice_dns_queries_total{transport="udp"} 100' in text, f"100 queries are not counted:\n{text}")
