// The director with its real store, its control thread and the real answer path; only the probes' results are
// given.
#include "control/director.hpp"

#include <fstream>
#include <future>
#include <thread>

#include <doctest/doctest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "base/log.hpp"
#include "control/publisher.hpp"
#include "support.hpp"

namespace sluice::control {
namespace {

constexpr auto patience = std::chrono::seconds(30);  // only a hang takes so long

const std::string zone_text =
    "@ 3600 IN SOA ns hostmaster 1 3600 600 86400 60\n@ IN NS ns\nns IN A 192.0.2.53\n";

struct Files {
  Files() {
    write("sluice.toml", config_text);
    write("shop.example.zone", zone_text);
  }
  void write(const std::string& file, const std::string& text) const { std::ofstream(folder / file) << text; }
  Folder folder;
};

// One life of a daemon's inside. The control thread is a real one.
class Life {
 public:
  explicit Life(const Files& files) {
    logger().set_level(spdlog::level::warn);
    auto loaded = load(files.folder / "sluice.toml", block_steer_ids);
    REQUIRE(loaded.loaded.has_value());
    auto store = store::Store::open(files.folder / "state");
    REQUIRE(store.has_value());
    const auto saved = store->load();
    REQUIRE(saved.has_value());
    Outlets outlets{
        .published = published_,
        .certificate = certificate_,
        .quiescence = quiescence_,
        .counters = counters_,
        .listen = {},
        .set_targets = [this](const std::vector<probe::Target>& targets) { targets_.push_back(targets); },
        .ready = [this] { ready_.set_value(); }};
    director_.emplace(control_.get_executor(), std::move(*loaded.loaded), std::move(*store), *saved,
                      std::move(outlets));
    thread_ = std::thread([this] { control_.run(); });
  }
  ~Life() {
    director_->stop();
    work_.reset();
    thread_.join();
  }

  // Starts, and reports this verdict for all targets.
  void start(bool healthy = true) {
    director_->start();
    on_control([] {});
    for (const auto& target : targets_.front())
      director_->probe_result(target, {healthy, "given", Duration{1}});
    REQUIRE(ready_.get_future().wait_for(patience) == std::future_status::ready);
  }

  Reply ask(CommandId id, std::string_view arguments = "{}", bool dry_run = false) {
    std::promise<Reply> promise;
    auto future = promise.get_future();
    director_->submit(request(id, arguments, dry_run),
                      [&promise](Reply reply) { promise.set_value(std::move(reply)); });
    REQUIRE(future.wait_for(patience) == std::future_status::ready);
    return future.get();
  }

  void on_control(const std::function<void()>& function) {
    std::promise<void> done;
    boost::asio::post(control_, [&] {
      function();
      done.set_value();
    });
    done.get_future().wait();
  }

  // The last octet of the address in the answer to an A question.
  int answered(std::string_view question) {
    const auto snapshot = published_.load();
    CounterShard& shard = shard_ == nullptr ? *(shard_ = &counters_.add_shard()) : *shard_;
    answer::Scratch scratch(shard, ++seed_);
    Quiescence::Reader reader(quiescence_);
    const Quiescence::Section section(reader);
    std::vector<std::uint8_t> query{0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    const auto wire = name(question);
    query.insert(query.end(), wire.wire().begin(), wire.wire().end());
    query.insert(query.end(), {0, 1, 0, 1});
    std::array<std::uint8_t, 512> reply{};
    const auto size = answer::answer(*snapshot, scratch, {address("127.0.0.1")}, query, reply);
    REQUIRE(size == query.size() + 16);
    return reply[size - 1];
  }

  std::vector<std::vector<probe::Target>>& targets() { return targets_; }
  Director& director() { return *director_; }

 private:
  Published<answer::Snapshot> published_;
  Published<serve::Certificate> certificate_;
  Quiescence quiescence_;
  Counters counters_;
  CounterShard* shard_ = nullptr;
  std::uint64_t seed_ = 1000;
  boost::asio::io_context control_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{control_.get_executor()};
  std::vector<std::vector<probe::Target>> targets_;
  std::promise<void> ready_;
  std::optional<Director> director_;
  std::thread thread_;
};

std::string weights_of(Life& life, std::size_t steer = 0) {
  const auto status = life.ask(CommandId::status).value();
  return boost::json::serialize(status.at("steers").at(steer).at("pools").at(0).at("weight")) + " " +
         boost::json::serialize(status.at("steers").at(steer).at("pools").at(1).at("weight"));
}

TEST_CASE("a weight that was set answers at once, and in the next life") {
  const Files files;
  {
    Life life(files);
    life.start();
    REQUIRE(life.ask(CommandId::weight_set, R"({"name": "www.shop.example", "weights": {"v1": 0, "v2": 5}})")
                .has_value());
    for (int i = 0; i < 200; ++i) CHECK(life.answered("www.shop.example") == 20);
  }
  Life life(files);
  life.start();
  for (int i = 0; i < 200; ++i) CHECK(life.answered("www.shop.example") == 20);
  REQUIRE(life.ask(CommandId::weight_reset, R"({"name": "www.shop.example"})").has_value());
  CHECK(weights_of(life) == "9.5E1 5E0");
}

TEST_CASE("a dry run says what would be, and leaves all as it is") {
  const Files files;
  Life life(files);
  life.start();
  const auto reply =
      life.ask(CommandId::weight_set, R"({"name": "www.shop.example", "weights": {"v1": 1, "v2": 1}})", true);
  CHECK(reply.value().at("dry_run") == true);
  CHECK(weights_of(life) == "9.5E1 5E0");
}

TEST_CASE("verdicts leave and enter the answers") {
  const Files files;
  Life life(files);
  life.start();
  const auto targets = life.targets().front();
  auto report = [&](std::string_view endpoint, bool success) {
    for (const auto& target : targets)
      if (target.destination == address(endpoint))
        life.director().probe_result(target, {success, "given", Duration{1}});
    life.on_control([] {});
  };
  report("192.0.2.20", false);
  report("192.0.2.10", false);
  for (int i = 0; i < 200; ++i) CHECK(life.answered("www.shop.example") == 11);
  report("192.0.2.11", false);
  report("2001:db8::10", false);
  // All dead: as if healthy.
  bool seen[32] = {};
  for (int i = 0; i < 2000; ++i) seen[life.answered("www.shop.example")] = true;
  CHECK((seen[10] && seen[11] && seen[20]));
  report("192.0.2.20", true);
  for (int i = 0; i < 200; ++i) CHECK(life.answered("www.shop.example") == 20);
}

TEST_CASE("a drained address is not answered while a dead one is left") {
  const Files files;
  Life life(files);
  life.start(false);
  for (const auto* drained : {"192.0.2.10", "192.0.2.11"}) {
    const auto arguments = R"({"address": ")" + std::string(drained) + R"("})";
    REQUIRE(life.ask(CommandId::endpoint_drain, arguments).has_value());
  }
  for (int i = 0; i < 200; ++i) CHECK(life.answered("www.shop.example") == 20);
  REQUIRE(life.ask(CommandId::endpoint_drain, R"({"address": "192.0.2.20"})").has_value());
  bool seen[32] = {};
  for (int i = 0; i < 2000; ++i) seen[life.answered("www.shop.example")] = true;
  CHECK((seen[10] && seen[11] && seen[20]));  // never empty
}

TEST_CASE("a bad reload is refused with its place, and the old config goes on") {
  const Files files;
  Life life(files);
  life.start();
  files.write("shop.example.zone", zone_text + "www IN A 192.0.2.1\n");
  const auto refused = life.ask(CommandId::reload);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::refused);
  CHECK(refused.error().message.find("shop.example.zone:4:1: error: ") != std::string::npos);
  CHECK(life.ask(CommandId::status).value().at("warnings").as_array().size() == 1);
  life.answered("www.shop.example");

  files.write("shop.example.zone", zone_text);
  auto text = config_text;
  text.replace(text.find("v1 = 95, v2 = 5"), 15, "v1 = 0, v2 = 5");
  files.write("sluice.toml", text);
  REQUIRE(life.ask(CommandId::reload).has_value());
  for (int i = 0; i < 200; ++i) CHECK(life.answered("www.shop.example") == 20);
  CHECK(life.ask(CommandId::status).value().at("warnings").as_array().empty());
}

TEST_CASE("a reload that comes during another one reads the files again") {
  const Files files;
  Life life(files);
  life.start();
  std::promise<Reply> promises[2];
  for (auto& promise : promises)
    life.director().submit(request(CommandId::reload, "{}"),
                           [&promise](Reply reply) { promise.set_value(std::move(reply)); });
  for (auto& promise : promises) {
    auto future = promise.get_future();
    REQUIRE(future.wait_for(patience) == std::future_status::ready);
    CHECK(future.get().has_value());
  }
}

TEST_CASE("what only a restart can change is said at every reload") {
  const Files files;
  Life life(files);
  life.start();
  auto text = config_text;
  text.replace(text.find("127.0.0.1:0"), 11, "127.0.0.1:1");
  files.write("sluice.toml", text);
  for (int i = 0; i < 2; ++i)
    CHECK(life.ask(CommandId::reload).value().at("text") ==
          "loaded: 1 zone(s), 2 steered name(s); a change of server.listen needs a restart");
}

TEST_CASE("events after the last possible id are none") {
  const Files files;
  Life life(files);
  life.start();
  const auto reply = life.ask(CommandId::events, R"({"after": 18446744073709551615})");
  CHECK(reply.value().at("events").as_array().empty());
}

TEST_CASE("texts are short and without control characters") {
  const auto* row = &commands()[0];
  for (const auto& each : commands())
    if (each.id == CommandId::endpoint_drain) row = &each;
  auto refused = [&](const std::string& reason) {
    return !check_arguments(*row, {{"address", "192.0.2.1"}, {"reason", reason}}).has_value();
  };
  CHECK_FALSE(refused(std::string(1024, 'x')));
  CHECK(refused(std::string(1025, 'x')));
  CHECK(refused("a\nb"));
  CHECK(refused(std::string("a\0b", 3)));
}

TEST_CASE("events tell who did what, and one who waits is woken") {
  const Files files;
  Life life(files);
  life.start();
  const auto before = life.ask(CommandId::events).value().at("events").as_array();
  const auto last = before.back().at("id").as_int64();
  std::promise<Reply> promise;
  auto future = promise.get_future();
  life.director().submit(
      request(CommandId::events, R"({"wait": "60s", "after": )" + std::to_string(last) + "}"),
      [&](Reply reply) { promise.set_value(std::move(reply)); });
  REQUIRE(
      life.ask(CommandId::endpoint_drain, R"({"address": "192.0.2.20", "reason": "upgrade"})").has_value());
  REQUIRE(future.wait_for(patience) == std::future_status::ready);
  const auto events = future.get().value().at("events").as_array();
  REQUIRE(events.size() == 1);
  CHECK(events[0].at("kind") == "endpoint.drain");
  CHECK(events[0].at("who") == "root");
}

TEST_CASE("answers are counted by name and pool, from the last change of weights on") {
  const Files files;
  Life life(files);
  life.start();
  for (int i = 0; i < 10; ++i) life.answered("api.shop.example");
  CHECK(life.ask(CommandId::status).value().at("steers").at(1).at("pools").at(0).at("answers") == 10);
  REQUIRE(life.ask(CommandId::weight_set, R"({"name": "api.shop.example", "weights": {"plain": 2}})")
              .has_value());
  CHECK(life.ask(CommandId::status).value().at("steers").at(1).at("pools").at(0).at("answers") == 0);
}

}  // namespace
}  // namespace sluice::control
