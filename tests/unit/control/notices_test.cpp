// When NOTIFY is sent: time is a number here.
#include "control/notices.hpp"

#include <doctest/doctest.h>

#include "support.hpp"

namespace sluice::control {
namespace {

std::string config_with(const std::string& notify) {
  return "[server]\nlisten = [\"127.0.0.1:0\"]\n[zone.\"shop.example\"]\nfile = \"x\"\n" + notify;
}

const config::Config two_targets = parsed(config_with("notify = [\"192.0.2.1\", \"192.0.2.2:5353\"]\n"));

zone::ZoneSet zones_of(unsigned serial) {
  auto loaded =
      zone::load_text("@ 60 SOA ns admin " + std::to_string(serial) + " 2 3 4 5\n@ 60 NS ns.elsewhere.\n",
                      "x", name("shop.example"), {});
  REQUIRE(loaded.zone != nullptr);
  return zone::ZoneSet({loaded.zone});
}

NoticeKey key_of(const char* target) { return {parse_socket_address(target).value(), name("shop.example")}; }

std::vector<NoticeKey> sent_at(Notices& notices, Time now) { return notices.take_due(now, 100).send; }

}  // namespace

TEST_CASE("after the start each target is told of each zone") {
  Notices notices;
  CHECK(!notices.next_due());
  notices.announce(two_targets, zones_of(7), at(0));
  CHECK(notices.next_due() == at(0));
  CHECK(sent_at(notices, at(0)) == std::vector{key_of("192.0.2.1:53"), key_of("192.0.2.2:5353")});
  const auto* notice = notices.find(key_of("192.0.2.1:53"));
  REQUIRE(notice != nullptr);
  CHECK(notice->serial == 7);
  CHECK(notice->soa_ttl == 60);
  CHECK(sent_at(notices, at(0)).empty());
}

TEST_CASE("without an answer it is sent again, each time later, and then given up") {
  Notices notices;
  notices.announce(two_targets, zones_of(7), at(0));
  notices.answered(key_of("192.0.2.2:5353"));
  int second = 0;
  for (const int wait : {1, 2, 4, 8, 16, 32, 60}) {
    CHECK(sent_at(notices, at(second)) == std::vector{key_of("192.0.2.1:53")});
    CHECK(notices.next_due() == at(second + wait));
    CHECK(sent_at(notices, at(second + wait) - Duration(1)).empty());
    second += wait;
  }
  const auto due = notices.take_due(at(second), 100);
  CHECK(due.send.empty());
  REQUIRE(due.given_up.size() == 1);
  CHECK(due.given_up[0].first == key_of("192.0.2.1:53"));
  CHECK(due.given_up[0].second.attempts == notice_attempts_max);
  CHECK(!notices.next_due());
}

TEST_CASE("an answer ends it") {
  Notices notices;
  notices.announce(two_targets, zones_of(7), at(0));
  sent_at(notices, at(0));
  notices.answered(key_of("192.0.2.1:53"));
  notices.answered(key_of("192.0.2.1:53"));
  CHECK(notices.find(key_of("192.0.2.1:53")) == nullptr);
  CHECK(sent_at(notices, at(1)) == std::vector{key_of("192.0.2.2:5353")});
}

TEST_CASE("a reload is news only with another serial, or for a new target") {
  Notices notices;
  notices.announce(two_targets, zones_of(7), at(0));
  for (const char* target : {"192.0.2.1:53", "192.0.2.2:5353"}) notices.answered(key_of(target));
  notices.announce(two_targets, zones_of(7), at(10));
  CHECK(!notices.next_due());
  notices.announce(parsed(config_with("notify = [\"192.0.2.1\", \"192.0.2.3\"]\n")), zones_of(7), at(20));
  CHECK(sent_at(notices, at(20)) == std::vector{key_of("192.0.2.3:53")});
  notices.announce(two_targets, zones_of(6), at(30));  // whatever it was before
  CHECK(sent_at(notices, at(30)) == std::vector{key_of("192.0.2.1:53"), key_of("192.0.2.2:5353")});
}

TEST_CASE("newer news take the place of older ones, and start anew") {
  Notices notices;
  notices.announce(two_targets, zones_of(7), at(0));
  for (const int second : {0, 1, 3}) sent_at(notices, at(second));
  notices.announce(two_targets, zones_of(8), at(4));
  CHECK(sent_at(notices, at(4)).size() == 2);
  CHECK(notices.find(key_of("192.0.2.1:53"))->serial == 8);
  CHECK(notices.find(key_of("192.0.2.1:53"))->attempts == 1);
  CHECK(notices.next_due() == at(5));
}

TEST_CASE("what has not been answered begins anew with the key of the config that is read then") {
  const auto with_key = [](const char* key) {
    return parsed(config_with(std::string("notify = [{ address = \"192.0.2.1\", key = \"") + key +
                              "\" }]\n[key." + key + "]\nsecret = \"AAAA\"\n"));
  };
  const auto without_key = parsed(config_with("notify = [\"192.0.2.1\"]\n"));
  const auto key = key_of("192.0.2.1:53");
  for (const bool sent : {false, true}) {  // a reload may come before the first attempt
    CAPTURE(sent);
    Notices notices;
    notices.announce(with_key("old"), zones_of(7), at(0));
    if (sent) REQUIRE(sent_at(notices, at(0)) == std::vector{key});
    notices.announce(with_key("new"), zones_of(7), at(1));
    CHECK(notices.find(key)->key == name("new"));
    CHECK(notices.find(key)->attempts == 0);
    CHECK(sent_at(notices, at(1)) == std::vector{key});
    notices.announce(without_key, zones_of(7), at(2));
    CHECK(!notices.find(key)->key);
    notices.answered(key);
    notices.announce(without_key, zones_of(7), at(3));
    CHECK(!notices.next_due());
  }
}

TEST_CASE("who is no longer named is no longer told") {
  Notices notices;
  notices.announce(two_targets, zones_of(7), at(0));
  notices.announce(parsed(config_with("")), zones_of(8), at(1));
  CHECK(!notices.next_due());
  CHECK(sent_at(notices, at(100)).empty());
}

TEST_CASE("many at once are taken in parts") {
  std::string targets;
  for (int i = 1; i <= 100; ++i) targets += "\"192.0.2." + std::to_string(i) + "\", ";
  Notices notices;
  notices.announce(parsed(config_with("notify = [" + targets + "]\n")), zones_of(7), at(0));
  CHECK(notices.take_due(at(0), 64).send.size() == 64);
  CHECK(notices.next_due() == at(0));
  CHECK(notices.take_due(at(0), 64).send.size() == 36);
  CHECK(notices.next_due() == at(1));
}

}  // namespace sluice::control
