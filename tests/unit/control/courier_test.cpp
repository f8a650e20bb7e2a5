// Receivers are told what the journal has stored: with its real store, and a network that is made up.
#include "control/courier.hpp"

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>

#include "base/log.hpp"
#include "support.hpp"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

config::Receiver told(const std::string& name, std::vector<std::string> events = {"*"}) {
  config::Receiver receiver;
  receiver.name = name;
  receiver.url = "http://127.0.0.1/" + name;
  receiver.events = std::move(events);
  receiver.timeout = 10s;
  receiver.retry_max = 10ms;
  receiver.retry_for = 24h;
  return receiver;
}

// One life of a daemon: the folder outlives it.
struct CourierWorld {
  explicit CourierWorld(const Folder& folder) : journal(context.get_executor(), opened(folder, saved)) {
    logger().set_level(spdlog::level::err);
    courier.restore(saved.receivers);
  }
  ~CourierWorld() {
    courier.stop();
    journal.stop();
  }
  static store::Store opened(const Folder& folder, store::Saved& saved) {
    auto store = store::Store::open(folder / "state").value();
    saved = store.load().value();
    return store;
  }
  void happens(const std::string& kind, const std::string& details = "") {
    REQUIRE(
        journal.commit({}, {{0, at(1), "root", kind, "www.shop.example.", "it was", details}}).has_value());
  }
  // All that can be done without waiting.
  void settle() {
    context.restart();
    context.poll();
  }
  void answer(unsigned status) {
    REQUIRE_FALSE(posted.empty());
    const auto done = std::move(posted.front().second);
    posted.pop_front();
    done(probe::WebReply{status, ""});
    settle();
  }
  // "ops rollout.step": whom and what the first open request is about.
  std::string first() const {
    if (posted.empty()) return "";
    const auto& request = posted.front().first;
    return request.url.target.substr(1) + " " +
           std::string(boost::json::parse(*request.json).at("what").as_string());
  }

  store::Saved saved;
  boost::asio::io_context context{1};
  Journal journal;
  std::deque<std::pair<probe::WebRequest, std::function<void(const Result<probe::WebReply>&)>>> posted;
  Courier courier{context.get_executor(), journal, [this](probe::WebRequest request, auto done) {
                    posted.emplace_back(std::move(request), std::move(done));
                  }};
};

TEST_CASE("what is posted of an event") {
  const store::Event event{17,
                           at(0),
                           "rollout 3",
                           "rollout.step",
                           "www.shop.example.",
                           "step 2 of 3",
                           R"({"rollout":3,"step":2,"from":0.05,"to":0.25})"};
  CHECK(boost::json::value(notification(event)) ==
        boost::json::parse(R"({"id": 17, "at": "2027-01-15T08:00:00.000Z", "what": "rollout.step",
          "who": "rollout 3", "name": "www.shop.example.", "why": "step 2 of 3",
          "rollout": 3, "step": 2, "from": 0.05, "to": 0.25})"));
  CHECK(notification({1, at(0), "", "", "", "", "no JSON"}).size() == 6);
}

TEST_CASE("what is a failure") {
  CHECK_FALSE(failure_of(probe::WebReply{204, ""}).has_value());
  CHECK(failure_of(probe::WebReply{302, ""}) == "status 302");
  CHECK(failure_of(probe::WebReply{199, ""}) == "status 199");
  CHECK(failure_of(Error{ErrorCode::unavailable, "connection refused"}) == "connection refused");
}

TEST_CASE("a receiver is told from its first day on, each of them by itself") {
  const Folder folder;
  CourierWorld world(folder);
  world.happens("rollout.old");
  world.courier.set_receivers({told("ops"), told("chat", {"rollout.*"})});
  world.happens("rollout.start");
  world.happens("weight.set");
  world.settle();
  REQUIRE(world.posted.size() == 2);
  CHECK(world.first() == "ops rollout.start");
  world.answer(200);
  CHECK(world.first() == "chat rollout.start");
  world.answer(200);
  CHECK(world.first() == "ops weight.set");
  world.answer(204);
  CHECK(world.first().empty());
  CHECK(world.courier.states()[0].sent == 2);
  CHECK(world.courier.states()[1].sent == 1);
}

TEST_CASE("a new process goes on where the one before it was") {
  const Folder folder;
  {
    CourierWorld world(folder);
    world.courier.set_receivers({told("ops"), told("gone")});
    for (const auto* kind : {"a.a", "a.b", "a.c"}) world.happens(kind);
    world.settle();
    CHECK(world.first() == "ops a.a");
    world.answer(200);
  }
  {
    CourierWorld world(folder);
    world.courier.set_receivers({told("ops")});
    world.settle();
    CHECK(world.first() == "ops a.b");
    CHECK(world.courier.states()[0].waiting == 2);
  }
  CourierWorld world(folder);
  REQUIRE(world.saved.receivers.size() == 1);
  CHECK(world.saved.receivers[0].receiver == "ops");
}

TEST_CASE("a reload keeps what waits, and forgets who is gone") {
  const Folder folder;
  CourierWorld world(folder);
  world.courier.set_receivers({told("ops"), told("chat")});
  world.happens("a.a");
  world.happens("a.b");
  world.settle();
  CHECK(world.posted.size() == 2);
  world.courier.set_receivers({told("chat")});
  world.settle();
  CHECK(world.first() == "ops a.a");
  world.answer(200);  // for nobody any more
  CHECK(world.first() == "chat a.a");
  world.answer(200);
  CHECK(world.first() == "chat a.b");
  world.courier.set_receivers({told("chat"), told("ops")});
  world.settle();
  CHECK(world.posted.size() == 1);  // who comes back is new
}

TEST_CASE("what fails is posted again, and its trouble shown") {
  const Folder folder;
  CourierWorld world(folder);
  world.courier.set_receivers({told("ops", {"a.*"})});
  world.happens("a.a");
  world.settle();
  world.answer(500);
  CHECK(world.courier.states()[0].trouble == "status 500");
  while (world.posted.empty()) {
    world.context.restart();
    world.context.run_one();
  }
  CHECK(world.first() == "ops a.a");
  world.answer(200);
  CHECK(world.courier.states()[0].trouble.empty());
  CHECK(world.courier.states()[0].failed == 1);
}

}  // namespace
}  // namespace sluice::control
