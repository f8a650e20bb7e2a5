// What a receiver of events is told, when, and what is dropped: with a clock of our own.
#include "control/notification_queue.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "support.hpp"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

struct NotifiedWorld {
  explicit NotifiedWorld(unsigned queue = 10, std::int64_t cursor = 0) : box(receiver(queue), cursor) {}

  static config::Receiver receiver(unsigned queue) {
    config::Receiver receiver;
    receiver.name = "ops";
    receiver.events = {"rollout.*", "endpoint.down"};
    receiver.retry_max = 4s;
    receiver.retry_for = 1h;
    receiver.queue = queue;
    return receiver;
  }
  void take(std::int64_t id, const char* kind = "rollout.step") {
    box.take({id, now, "", kind, "", ""}, now);
  }
  void take_all(std::int64_t first, std::int64_t last) {
    for (auto id = first; id <= last; ++id) take(id);
  }
  // The id of what is sent now; 0: nothing is.
  std::int64_t send() {
    const auto* event = box.begin(now);
    return event == nullptr ? 0 : event->id;
  }
  void succeed(std::int64_t id) { box.end(id, {}, now); }
  void fail(std::int64_t id) { box.end(id, "status 500", now); }
  // Sends and succeeds as long as there is something.
  std::string drain() {
    std::string ids;
    for (auto id = send(); id != 0; id = send()) {
      ids += fmt::format("{} ", id);
      succeed(id);
    }
    return ids;
  }
  std::string notes() {
    std::string text;
    for (const auto& note : box.take_notes()) text += fmt::format("{}: {}\n", note.kind, note.text);
    return text;
  }

  Time now = at(0);
  NotificationQueue box;
};

TEST_CASE("which kinds are wanted") {
  struct Row {
    std::vector<std::string> patterns;
    const char* kind;
    bool wanted;
  };
  const Row rows[] = {
      {{"*"}, "rollout.step", true},
      {{"rollout.*"}, "rollout.step", true},
      {{"rollout.*"}, "rollouts.step", false},
      {{"rollout.*"}, "rollout", false},
      {{"rollout.step"}, "rollout.step", true},
      {{"rollout.step"}, "rollout.step_more", false},
      {{"a.*", "b.c"}, "b.c", true},
      {{}, "b.c", false},
  };
  for (const auto& [patterns, kind, wanted] : rows) {
    CAPTURE(kind);
    CHECK(is_wanted(patterns, kind) == wanted);
  }
}

TEST_CASE("pauses grow up to the longest") {
  const std::pair<unsigned, Duration> rows[] = {{1, 1s}, {2, 2s}, {3, 4s}, {6, 32s}, {7, 1min}, {1000, 1min}};
  for (const auto& [failures, pause] : rows) CHECK(pause_after(failures, 1min) == pause);
  CHECK(pause_after(1, 100ms) == 100ms);
}

TEST_CASE("events are told one after the other, in order") {
  NotifiedWorld world;
  world.take(1);
  world.take(2, "weight.set");
  world.take(3, "endpoint.down");
  CHECK(world.box.cursor() == 0);
  CHECK(world.send() == 1);
  CHECK(world.send() == 0);  // one is on its way
  CHECK_FALSE(world.box.next_due().has_value());
  world.succeed(3);  // that is not it
  CHECK(world.send() == 0);
  world.succeed(1);
  CHECK(world.box.cursor() == 2);
  CHECK(world.send() == 3);
  world.succeed(3);
  CHECK(world.box.cursor() == 3);
  CHECK(world.send() == 0);
  CHECK(world.box.counts().sent == 2);
  CHECK(world.notes().empty());
}

TEST_CASE("what was taken before is not taken again") {
  NotifiedWorld world(10, 5);
  world.take_all(4, 6);
  world.take_all(4, 6);
  CHECK(world.drain() == "6 ");
}

TEST_CASE("what fails is tried again after growing pauses, before what comes later") {
  NotifiedWorld world;
  world.take_all(1, 2);
  for (const auto pause : {1s, 2s, 4s, 4s}) {
    REQUIRE(world.send() == 1);
    world.fail(1);
    CHECK(world.box.next_due() == world.now + pause);
    world.now += pause - 1ms;
    CHECK(world.send() == 0);
    world.now += 1ms;
  }
  CHECK(world.box.trouble() == "status 500");
  CHECK(world.notes() ==
        "receiver.failing: receiver ops has failed 3 times in a row, and is tried again every 4s at least: "
        "status 500\n");
  CHECK(world.drain() == "1 2 ");
  CHECK(world.box.trouble().empty());
  CHECK(world.notes() == "receiver.well: receiver ops answers again\n");
  CHECK(world.box.counts().failed == 4);
  world.take(3);
  REQUIRE(world.send() == 3);
  world.fail(3);
  CHECK(world.box.next_due() == world.now + 1s);  // from the shortest pause on
  world.now += 1s;
  CHECK(world.drain() == "3 ");
  CHECK(world.notes().empty());  // one failure is no news
}

TEST_CASE("the oldest are dropped when too many wait, and that is told once") {
  NotifiedWorld world(3);
  world.take_all(1, 3);
  REQUIRE(world.send() == 1);
  world.take_all(4, 6);  // the first is on its way: it stays
  CHECK(world.box.waiting() == 3);
  CHECK(world.box.cursor() == 0);
  CHECK(world.notes() ==
        "receiver.dropped: receiver ops: event 2 (rollout.step) is dropped, and others may follow until it "
        "answers again: more than 3 events wait\n");
  world.fail(1);
  world.take(7);
  CHECK(world.box.counts().dropped == 4);
  CHECK(world.box.cursor() == 4);
  CHECK(world.notes().empty());
  world.now += 1s;
  CHECK(world.drain() == "5 6 7 ");
  CHECK(world.notes() == "receiver.well: receiver ops answers again; 4 events were dropped meanwhile\n");
}

TEST_CASE("an event that has waited for too long is dropped with its next failure, and not without one") {
  NotifiedWorld world;
  world.take_all(1, 2);
  world.now += 2h;
  REQUIRE(world.send() == 1);
  world.fail(1);
  CHECK(world.box.counts().dropped == 1);
  CHECK(world.notes() ==
        "receiver.dropped: receiver ops: event 1 (rollout.step) is dropped, and others may follow until it "
        "answers again: it has waited for longer than 1h; status 500\n");
  CHECK(world.send() == 0);  // not at once: the receiver fails
  world.now += 1s;
  CHECK(world.drain() == "2 ");
}

TEST_CASE("another address by the same name is told what waits, at once") {
  NotifiedWorld world;
  world.take_all(1, 4);
  REQUIRE(world.send() == 1);
  world.fail(1);
  auto other = NotifiedWorld::receiver(3);
  other.url = "http://other";
  world.box.set_receiver(other);
  CHECK(world.box.counts().dropped == 1);
  CHECK(world.drain() == "2 3 4 ");
}

}  // namespace
}  // namespace sluice::control
