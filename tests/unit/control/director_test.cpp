// The director with its real store, its control thread and the real answer path; only the probes' results are
// given.
#include "control/director.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <future>
#include <set>
#include <thread>

#include <doctest/doctest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "control/publisher.hpp"
#include "support.hpp"

namespace {

std::atomic<bool> disk_fails = false;

}  // namespace

// The store's syncs come here.
extern "C" int fdatasync(int descriptor) {
  if (!disk_fails) return static_cast<int>(syscall(SYS_fdatasync, descriptor));
  errno = EIO;
  return -1;
}

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
  // `change` is what no file can say.
  explicit Life(const Files& files, const std::function<void(config::Config&)>& change = {}) {
    logger().set_level(spdlog::level::warn);
    auto loaded = load(files.folder / "sluice.toml", block_steer_ids);
    REQUIRE(loaded.loaded.has_value());
    if (change) change(loaded.loaded->config);
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
        .probe_now = [this](probe::Target target,
                            auto done) { probed_now_.emplace_back(std::move(target), done); },
        .ready = [this] { ready_.set_value(); },
        .deciding_now = [this] { return wall_now() + Duration(set_back_ms_); },
        .waits = [this](Duration time) { waits_ = time; }};
    director_.emplace(control_.get_executor(), std::move(*loaded.loaded), std::move(*store), *saved,
                      std::move(outlets));
    thread_ = std::thread([this] { control_.run(); });
  }
  ~Life() {
    director_->stop();
    work_.reset();
    thread_.join();
  }

  // Starts, and reports this verdict, if any, for all targets.
  void start(std::optional<bool> healthy = true) {
    director_->start();
    on_control([] {});
    for (const auto& target : targets_.front())
      if (healthy) director_->take_probes({{target, health::ProbeResult{*healthy, "given", Duration{1}}}});
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

  // As if somebody had set the wall clock back since the start of the process.
  void was_set_back(Duration by) { set_back_ms_ = by.count(); }

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

  // To be looked at on the control thread.
  using ProbeDone = std::function<void(Result<health::ProbeResult>)>;
  std::vector<std::pair<probe::Target, ProbeDone>>& probed_now() { return probed_now_; }
  Director& director() { return *director_; }
  std::optional<Duration> waits() const { return waits_; }

 private:
  Published<answer::Snapshot> published_;
  Published<serve::Certificate> certificate_;
  Quiescence quiescence_;
  Counters counters_;
  CounterShard* shard_ = nullptr;
  std::uint64_t seed_ = 1000;
  std::atomic<Duration::rep> set_back_ms_ = 0;
  boost::asio::io_context control_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{control_.get_executor()};
  std::vector<std::vector<probe::Target>> targets_;
  std::vector<std::pair<probe::Target, ProbeDone>> probed_now_;
  std::promise<void> ready_;
  std::optional<Duration> waits_;
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

TEST_CASE("a history of none is refused, and not said to be all that there is") {
  const Files files;
  Life life(files);
  life.start();
  for (const auto id : {CommandId::rollout_history, CommandId::rolling_history}) {
    const std::string name = id == CommandId::rollout_history ? R"("name": "www.shop.example", )" : "";
    CHECK(life.ask(id, "{" + name + R"("limit": 1})").has_value());
    const auto none = life.ask(id, "{" + name + R"("limit": 0})");
    REQUIRE(none.has_error());
    CHECK(none.error().message == "'limit' has to be at least 1");
  }
}

TEST_CASE("what the disk does not take is not in answers, nor anywhere else") {
  const Files files;
  Life life(files);
  life.start();
  const auto weights = R"({"name": "www.shop.example", "weights": {"v1": 0, "v2": 1}})";
  const auto drain = R"({"address": "192.0.2.10"})";
  const auto shown = [&] { return boost::json::serialize(life.ask(CommandId::status).value().at("steers")); };
  const auto answered = [&] {
    std::set<int> octets;
    for (int i = 0; i < 1000; ++i) octets.insert(life.answered("www.shop.example"));
    return octets;
  };
  const auto before = shown();
  disk_fails = true;
  for (const auto& refused :
       {life.ask(CommandId::weight_set, weights), life.ask(CommandId::endpoint_drain, drain)}) {
    REQUIRE(refused.has_error());
    CHECK(refused.error().message.find("disk I/O error") != std::string::npos);
  }
  disk_fails = false;
  CHECK(shown() == before);
  CHECK(answered() == std::set{10, 11, 20});

  CHECK(life.ask(CommandId::weight_set, weights).has_value());
  CHECK(life.answered("www.shop.example") == 20);
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

// What probes bring is published a little later when there was a publication a moment ago.
template <class Condition>
bool eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!condition())
    if (std::chrono::steady_clock::now() > end) return false;
  return true;
}

TEST_CASE("the first publication waits for the first round, within bounds") {
  const auto waits = [](std::string_view timeout) {
    const Files files;
    files.write("sluice.toml",
                server_and_zone + "[check.web]\ntype = \"tcp\"\nport = 80\ninterval = \"2m\"\ntimeout = \"" +
                    std::string(timeout) +
                    "\"\n[pool.v1]\ncheck = \"web\"\nendpoints = [\"192.0.2.10\", \"192.0.2.11\"]\n");
    Life life(files);
    life.start();
    return life.waits();
  };
  CHECK(waits("2s") == std::chrono::milliseconds(2100));
  CHECK(waits("1m") == std::chrono::seconds(5));
  const Files unchecked;
  unchecked.write("sluice.toml", server_and_zone);
  Life life(unchecked);
  life.start();
  CHECK_FALSE(life.waits());
}

TEST_CASE("a target whose health the store has kept is not waited for") {
  const Files files;
  { Life(files).start(); }
  Life life(files);
  life.start({});
  CHECK_FALSE(life.waits());
  for (int i = 0; i < 200; ++i) CHECK(life.answered("www.shop.example") != 0);
}

TEST_CASE("what was known of an endpoint that a reload has dropped does not come back") {
  const Files files;
  const auto without_10 = [] {
    auto text = config_text;
    return text.erase(text.find("\"192.0.2.10\", "), 14);
  };
  {
    Life life(files);
    life.start();
    files.write("sluice.toml", without_10());
    CHECK(life.ask(CommandId::reload).has_value());
  }
  files.write("sluice.toml", config_text);
  Life life(files);
  life.director().start();
  life.on_control([] {});
  const auto pools = life.ask(CommandId::status).value().at("pools");
  CHECK(pools.at(0).at("endpoints").at(0).at("health") == "unknown");
  CHECK(pools.at(0).at("endpoints").at(1).at("health") == "up");
}

TEST_CASE("a wall clock that was set back by a little over a restart costs nothing that is known") {
  for (const auto& [ahead, kept] :
       {std::pair(std::chrono::seconds(40), true), {std::chrono::seconds(100), false}}) {
    CAPTURE(ahead.count());
    const Files files;
    { Life(files).start(); }
    const Time until = wall_now() + ahead;
    {
      auto opened = store::Store::open(files.folder / "state");
      REQUIRE(opened.has_value());
      std::vector<store::Event> none;
      REQUIRE(opened->commit({store::HealthSeenUntil{until}}, none).has_value());
    }
    Life life(files);
    life.director().start();
    life.on_control([] {});
    const auto status = life.ask(CommandId::status).value();
    const auto& endpoint = status.at("pools").at(0).at("endpoints").at(0);
    CHECK(endpoint.at("health") == (kept ? "up" : "unknown"));
    if (kept) CHECK(parse_moment(endpoint.at("since").as_string(), {}).value() < wall_now());
  }
}

TEST_CASE("a reload shows no new endpoint before its first probe") {
  const Files files;
  Life life(files);
  life.start();
  const auto with_new = [](std::string_view timeout) {
    return config_text + "[check.new]\ntype = \"tcp\"\nport = 81\ninterval = \"1m\"\ntimeout = \"" +
           std::string(timeout) +
           "\"\n[pool.v3]\ncheck = \"new\"\nendpoints = [\"192.0.2.30\", \"192.0.2.31\"]\n"
           "[steer.\"new.shop.example\"]\npools = { v3 = 1 }\n";
  };
  const auto steers = [&] { return life.ask(CommandId::status).value().at("steers").as_array().size(); };
  files.write("sluice.toml", with_new("30s"));
  CHECK(life.ask(CommandId::reload, "{}", true).has_value());  // which waits for nothing
  std::array<std::promise<Reply>, 2> replies;
  for (auto& reply : replies)
    life.director().submit(request(CommandId::reload, "{}"),
                           [&reply](const Reply& result) { reply.set_value(result); });
  const auto targets = [&] {
    std::vector<std::vector<probe::Target>> copy;
    life.on_control([&] { copy = life.targets(); });
    return copy;
  };
  auto first = replies[0].get_future(), second = replies[1].get_future();
  REQUIRE(eventually([&] { return targets().size() == 2; }));
  const auto probed = targets().back();
  CHECK(probed.size() == life.targets().front().size() + 2);
  CHECK(steers() == 2);
  const auto report = [&](std::string_view endpoint, bool success) {
    for (const auto& target : probed)
      if (target.destination == address(endpoint))
        life.director().take_probes({{target, health::ProbeResult{success, "given", Duration{1}}}});
    life.on_control([] {});
  };
  SUBCASE("and comes with what the probes have brought") {
    report("192.0.2.30", false);
    CHECK(first.wait_for(std::chrono::seconds(0)) == std::future_status::timeout);
    CHECK(steers() == 2);
    report("192.0.2.31", true);
    REQUIRE(first.wait_for(patience) == std::future_status::ready);
    CHECK(first.get().has_value());
    for (int i = 0; i < 200; ++i) CHECK(life.answered("new.shop.example") == 31);
    REQUIRE(second.wait_for(patience) == std::future_status::ready);
    CHECK(second.get().has_value());
  }
  SUBCASE("and is refused when the daemon stops first") {
    life.director().stop();
    for (auto* reply : {&first, &second}) {
      REQUIRE(reply->wait_for(patience) == std::future_status::ready);
      CHECK(reply->get().error().code == ErrorCode::unavailable);
    }
  }
}

TEST_CASE("a reload waits for new endpoints no longer than their probes may take") {
  const Files files;
  Life life(files);
  life.start();
  files.write("sluice.toml", config_text +
                                 "[check.new]\ntype = \"tcp\"\nport = 81\ntimeout = \"100ms\"\n[pool.v3]\n"
                                 "check = \"new\"\nendpoints = [\"192.0.2.30\"]\n");
  CHECK(life.ask(CommandId::reload).has_value());
  CHECK(life.ask(CommandId::status).value().at("pools").as_array().size() == 4);
}

TEST_CASE("verdicts leave and enter the answers") {
  const Files files;
  Life life(files);
  life.start();
  const auto targets = life.targets().front();
  auto report = [&](std::string_view endpoint, bool success) {
    health::ProbeResult result{success, "given", Duration{1}};
    result.answered = true;  // no silence, which others would be asked about
    for (const auto& target : targets)
      if (target.destination == address(endpoint)) life.director().take_probes({{target, result}});
  };
  const auto answered = [&](int wanted) {
    int count = 0;
    for (int i = 0; i < 2000; ++i) count += life.answered("www.shop.example") == wanted;
    return count;
  };
  report("192.0.2.20", false);
  report("192.0.2.10", false);
  CHECK(eventually([&] { return answered(11) == 2000; }));
  report("192.0.2.11", false);
  report("2001:db8::10", false);
  // All dead: as if healthy.
  CHECK(eventually([&] { return answered(10) > 0 && answered(11) > 0 && answered(20) > 0; }));
  // The canary is sized for 5 %: of a dead pool's share it gets what makes it ten times as much.
  report("192.0.2.20", true);
  CHECK(eventually([&] { return answered(20) > 900; }));
  CHECK(answered(20) == doctest::Approx(1000).epsilon(0.1));
}

TEST_CASE("health goes by a clock of its own, and is shown and stored by the wall clock") {
  using std::chrono::minutes;
  const Files files;
  files.write("sluice.toml",
              server_and_zone +
                  "[check.web]\ntype = \"tcp\"\nport = 80\nrise = 1\nfall = 1\nhold_down = \"10m\"\n"
                  "hold_down_max = \"20m\"\n[pool.v1]\ncheck = \"web\"\nendpoints = [\"192.0.2.10\"]\n");
  const auto endpoint_of = [](Life& life) {
    const auto status = life.ask(CommandId::status).value();
    return status.at("pools").at(0).at("endpoints").at(0).as_object();
  };
  const auto time = [](const boost::json::value& text) { return parse_moment(text.as_string(), {}).value(); };
  const auto expect_held = [&](Life& life) {
    life.director().take_probes(
        {{life.targets().front().front(), health::ProbeResult{true, "connected", Duration{1}}}});
    const auto endpoint = endpoint_of(life);
    CHECK(endpoint.at("health") == "down");
    CHECK(time(endpoint.at("held_until")) > wall_now() + minutes(9));
    CHECK(time(endpoint.at("held_until")) < wall_now() + minutes(11));
    CHECK(time(endpoint.at("last").at("at")) > wall_now() - minutes(1));
  };
  {
    Life life(files);
    life.was_set_back(minutes(60));
    life.start();
    for (const bool success : {false, true, false})
      life.director().take_probes(
          {{life.targets().front().front(), health::ProbeResult{success, "given", Duration{1}}}});
    expect_held(life);
  }
  SUBCASE("and the next life goes on from there") {
    Life life(files);
    life.director().start();
    life.on_control([] {});
    expect_held(life);
  }
}

TEST_CASE("others are asked before a silent endpoint falls") {
  const Files files;
  Life life(files);
  life.start();
  const auto& dead = life.targets().front().front();
  life.director().take_probes({{dead, health::ProbeResult{false, "timeout", Duration{1}}}});
  life.on_control([&] {
    REQUIRE(life.probed_now().size() == 1);
    CHECK(to_text(life.probed_now()[0].first.destination) == "192.0.2.20");
  });
  const auto health_of_dead = [&] {
    const auto status = life.ask(CommandId::status).value();
    return std::string(status.at("pools").at(0).at("endpoints").at(0).at("health").as_string());
  };
  const auto events = [&] { return boost::json::serialize(life.ask(CommandId::events).value()); };
  CHECK(health_of_dead() == "up");
  SUBCASE("and it falls when one of them answers") {
    life.on_control([&] { life.probed_now()[0].second(health::ProbeResult{true, "connected"}); });
    CHECK(eventually([&] { return health_of_dead() == "down"; }));
    CHECK(events().find("192.0.2.10 is down by check web (one failure): timeout\"") != std::string::npos);
  }
  SUBCASE("and nobody falls when they say nothing in time") {
    CHECK(eventually([&] { return events().find("\"checker.suspected\"") != std::string::npos; }));
    CHECK(health_of_dead() == "up");
  }
}

TEST_CASE("what a suspicion takes back is told of") {
  const Files files;
  // No pool is there to be asked that the first one is not in.
  files.write("sluice.toml", config_head +
                                 "[pool.v1]\ncheck = \"web\"\nendpoints = [\"192.0.2.10\", \"192.0.2.11\"]\n"
                                 "[pool.both]\ncheck = \"web\"\nendpoints = [\"192.0.2.10\"]\n"
                                 "[steer.\"www.shop.example\"]\npools = { v1 = 1 }\n");
  Life life(files);
  life.start();
  for (const auto& target : life.targets().front())
    life.director().take_probes({{target, health::ProbeResult{false, "timeout", Duration{1}}}});
  life.on_control([] {});
  life.on_control([] {});
  const auto status = life.ask(CommandId::status).value();
  for (const auto& endpoint : status.at("pools").at(0).at("endpoints").as_array())
    CHECK(endpoint.at("health") == "up");
  const auto events = boost::json::serialize(life.ask(CommandId::events).value());
  CHECK(events.find("\"checker.suspected\"") != std::string::npos);
  CHECK(events.find("192.0.2.10 is up again by check web: what took it down is suspected to be the checker's "
                    "own failure") != std::string::npos);
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

TEST_CASE("a pattern takes all that match out of the answers, or none") {
  const Files files;
  Life life(files);
  life.start();
  const auto reply = life.ask(CommandId::endpoint_drain, R"({"address": "192.0.2.1*"})").value();
  CHECK(reply.at("endpoints").as_array().size() == 2);
  CHECK(reply.at("cached_until").is_string());
  for (int i = 0; i < 200; ++i) CHECK(life.answered("www.shop.example") == 20);
  CHECK_FALSE(life.ask(CommandId::endpoint_drain, R"({"address": "10.*"})").has_value());
}

TEST_CASE("a scheduled word is said when it is due, in this life or the next one") {
  const Files files;
  auto drained = [](Life& life, std::size_t endpoint) {
    const auto status = life.ask(CommandId::status).value();
    return status.at("pools").at(0).at("endpoints").at(endpoint).at("word").is_object();
  };
  {
    Life life(files);
    life.start();
    REQUIRE(life.ask(CommandId::endpoint_drain, R"({"address": "192.0.2.10", "at": "+1ms"})").has_value());
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!drained(life, 0) && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    CHECK(drained(life, 0));
    REQUIRE(life.ask(CommandId::endpoint_drain, R"({"address": "192.0.2.11", "at": "+1h"})").has_value());
  }
  {
    // As if an hour had passed before the next start.
    auto store = store::Store::open(files.folder / "state").value();
    auto scheduled = store.load().value().scheduled;
    REQUIRE(scheduled.size() == 1);
    std::vector<store::Event> events;
    const auto planned = scheduled[0].at;
    scheduled[0].at = wall_now() - std::chrono::hours(1);
    REQUIRE(store.commit({store::ScheduledWordDone{scheduled[0].destination, planned}, scheduled[0]}, events)
                .has_value());
  }
  Life life(files);
  life.start();
  CHECK(drained(life, 1));
  const auto events = life.ask(CommandId::events).value();
  bool told = false;
  for (const auto& event : events.at("events").as_array())
    told = told || event.at("text").as_string().find("when sluiced did not run") != std::string_view::npos;
  CHECK(told);
}

TEST_CASE("a word that ended meanwhile leaves what lies beneath it, by the health that the start finds") {
  const Files files;
  files.write("sluice.toml", config_text + "[safety]\nendpoints_min = 1\n");
  const auto word_of = [](Life& life) {
    const auto status = life.ask(CommandId::status).value();
    const auto& word = status.at("pools").at(0).at("endpoints").at(0).at("word");
    return word.is_object() ? std::string(word.at("word").as_string()) : "none";
  };
  {
    Life life(files);
    life.start();
    const auto said = [&](CommandId id, const char* arguments) {
      return life.ask(id, arguments).has_value();
    };
    REQUIRE(said(CommandId::endpoint_drain, R"({"address": "192.0.2.10"})"));
    REQUIRE(said(CommandId::endpoint_up, R"({"address": "192.0.2.10", "for": "1h"})"));
    CHECK(word_of(life) == "up");
  }
  {
    // As if hours had passed before the next start.
    auto store = store::Store::open(files.folder / "state").value();
    auto words = store.load().value().words;
    REQUIRE(words.size() == 1);
    words[0].until = wall_now() - std::chrono::hours(1);
    std::vector<store::Event> events;
    REQUIRE(store.commit({words[0], store::HealthForgotten{}}, events).has_value());
  }
  Life life(files);
  SUBCASE("others are well: it is drained again") {
    life.start();
    CHECK(word_of(life) == "drain");
    for (int i = 0; i < 200; ++i) CHECK(life.answered("www.shop.example") != 10);
  }
  SUBCASE("nobody is: that is forbidden") {
    life.start(false);
    CHECK(word_of(life) == "none");
  }
}

TEST_CASE("a check that is run once says what came back, and changes nothing") {
  const Files files;
  Life life(files);
  life.start();
  std::promise<Reply> promise;
  auto future = promise.get_future();
  life.director().submit(request(CommandId::check_run, R"({"address": "192.0.2.10"})"),
                         [&](Reply reply) { promise.set_value(std::move(reply)); });
  life.on_control([&] {
    REQUIRE(life.probed_now().size() == 1);
    CHECK(life.probed_now()[0].first.destination == address("192.0.2.10"));
    life.probed_now()[0].second(health::ProbeResult{false, "connection refused", Duration{1}});
  });
  REQUIRE(future.wait_for(patience) == std::future_status::ready);
  const auto reply = future.get().value();
  CHECK(reply.at("probes").at(0).at("success") == false);
  CHECK(reply.at("probes").at(0).at("detail") == "connection refused");
  const auto status = life.ask(CommandId::status).value();
  CHECK(status.at("pools").at(0).at("endpoints").at(0).at("health") == "up");
  CHECK(life.ask(CommandId::check_run, R"({"address": "192.0.2.11"})", true).has_value());
  life.on_control([&] { CHECK(life.probed_now().size() == 1); });  // a dry run probes nothing
}

TEST_CASE("runs of checks have a limit, and end with the daemon") {
  const Files files;
  std::vector<std::future<Reply>> replies;
  {
    Life life(files);
    life.start();
    for (int i = 0; i < 17; ++i) {
      auto promise = std::make_shared<std::promise<Reply>>();
      replies.push_back(promise->get_future());
      life.director().submit(request(CommandId::check_run, R"({"address": "192.0.2.10"})"),
                             [promise](Reply reply) { promise->set_value(std::move(reply)); });
    }
    life.on_control([] {});
    REQUIRE(replies.back().wait_for(patience) == std::future_status::ready);
    CHECK(replies.back().get().error().code == ErrorCode::refused);
    replies.pop_back();
  }
  for (auto& reply : replies) CHECK(reply.get().error().message == "the daemon is stopping");
}

void make_push(config::Config& config) {
  config.checks[0].type = config::CheckType::push;
  config.checks[0].expiry = std::chrono::milliseconds(1);
  config.checks[0].interval = std::chrono::milliseconds(1);
  config.checks[0].token = "open sesame";
}

TEST_CASE("a service that reports itself is up, and down when it falls silent") {
  const Files files;
  Life life(files, make_push);
  life.start();
  CHECK(life.targets().front().empty());  // nothing is probed
  auto health = [&] {
    const auto status = life.ask(CommandId::status).value();
    const auto& endpoint = status.at("pools").at(1).at("endpoints").at(0);
    return endpoint.at("health").as_string() == "up" || endpoint.at("last").is_null()
               ? std::string(endpoint.at("health").as_string())
               : std::string(endpoint.at("health").as_string()) + " " +
                     std::string(endpoint.at("last").at("detail").as_string()).substr(0, 13);
  };
  auto await_health = [&](const std::string& wanted) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (health() != wanted && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    CHECK(health() == wanted);
  };
  await_health("down no report for");
  const std::string report = R"({"check": "web", "address": "192.0.2.20", "state": "up"})";
  auto over_tcp = request(CommandId::check_report, report);
  over_tcp.token = "guessed";
  std::promise<Reply> promise;
  life.director().submit(over_tcp, [&](Reply reply) { promise.set_value(std::move(reply)); });
  CHECK(promise.get_future().get().error().code == ErrorCode::forbidden);
  CHECK(life.ask(CommandId::check_report, report).value().at("text") == "192.0.2.20, check web: reported up");
  const auto events = boost::json::serialize(life.ask(CommandId::events).value());
  CAPTURE(events);
  CHECK(events.find("192.0.2.20 is up by check web (one success): reported up") != std::string::npos);
  CHECK(events.find("sesame") == std::string::npos);
  await_health("down no report for");
}

// --- explain ---

boost::json::value explained(Life& life, const std::string& arguments) {
  auto reply = life.ask(CommandId::explain, arguments);
  if (!reply) return boost::json::string(reply.error().message);
  return *reply;
}

TEST_CASE("an explanation of a name by chance has shares, and reasons against endpoints") {
  const Files files;
  Life life(files);
  life.start();
  REQUIRE(life.ask(CommandId::endpoint_drain, R"({"address": "192.0.2.11"})").has_value());
  const auto reply = explained(life, R"({"name": "www.shop.example"})");
  CHECK(reply.at("kind") == "steered");
  CHECK(reply.at("slot").is_null());
  CHECK(reply.at("rule") == "weights");
  CHECK(reply.at("ttl_s").to_number<int>() == 30);
  CHECK(reply.at("ttl_rule") == "the name's ttl");
  const auto& v1 = reply.at("pools").at(0);
  CHECK(v1.at("state") == "alive");
  CHECK(v1.at("now_share").to_number<double>() == doctest::Approx(0.95).epsilon(0.001));
  CHECK(v1.at("endpoints").at(0).at("pool_share").to_number<double>() == 1);
  CHECK(v1.at("endpoints").at(0).at("why_not").is_null());
  CHECK(v1.at("endpoints").at(1).at("why_not") == "drained by root");
  CHECK(v1.at("endpoints").at(2).at("why_not") == "it has an IPv6 address");
  const auto six = explained(life, R"({"name": "www.shop.example", "type": "aaaa"})");
  CHECK(six.at("pools").at(0).at("endpoints").at(2).at("pool_share").to_number<double>() == 1);
  CHECK(six.at("pools").at(1).at("state") == "no address of this family");
}

TEST_CASE("an explanation of a sticky name says what the client is answered") {
  const Files files;
  auto text = config_text;
  text.replace(text.find("ttl = \"30s\""), 11, "ttl = \"30s\"\nmethod = \"sticky\"");
  text.replace(text.find("v1 = 95, v2 = 5"), 15, "v1 = 50, v2 = 50");
  files.write("sluice.toml", text);
  Life life(files);
  life.start();
  const auto of_client = R"({"name": "www.shop.example", "client": "127.0.0.1"})";
  auto slot = explained(life, of_client).at("slot");
  CHECK(slot.at("of") == "the address 127.0.0.1");
  CHECK(slot.at("pool") == slot.at("answered_by"));
  CHECK(slot.at("pool_state") == "alive");
  const auto answered = [&] { return "192.0.2." + std::to_string(life.answered("www.shop.example")); };
  CHECK(slot.at("answer").at(0) == boost::json::value(answered()));
  const auto pool = std::string(slot.at("pool").as_string());

  REQUIRE(life.ask(CommandId::endpoint_down, R"({"reason": "disk", "address": "pool:)" + pool + "\"}")
              .has_value());
  slot = explained(life, of_client).at("slot");
  CHECK(slot.at("pool") == boost::json::value(pool));
  CHECK(slot.at("pool_state") == "taken out");
  CHECK(slot.at("answered_by") != boost::json::value(pool));
  const auto whole = explained(life, of_client);
  for (const auto& one : whole.at("pools").as_array())
    if (one.at("pool") == boost::json::value(pool))
      CHECK(one.at("endpoints").at(0).at("why_not") == "held down by root: disk");
  CHECK(slot.at("answer").at(0) == boost::json::value(answered()));

  // A subnet is cut to what the name tells apart; all of its addresses have one slot.
  const auto narrow =
      explained(life, R"({"name": "www.shop.example", "client": "198.51.100.128/25"})").at("slot");
  const auto wide =
      explained(life, R"({"name": "www.shop.example", "client": "198.51.100.0/24"})").at("slot");
  CHECK(narrow.at("of") == "the prefix 198.51.100.0/24");
  CHECK(narrow.at("number") == wide.at("number"));
}

TEST_CASE("a class that is led to a pool is answered from it at once, and in the next life") {
  const Files files;
  files.write("sluice.toml", config_text + "[class.local]\nprefixes = [\"127.0.0.0/8\"]\n");
  const auto api = R"({"name": "api.shop.example", "client": "127.0.0.9"})";
  {
    Life life(files);
    life.start();
    CHECK(life.answered("api.shop.example") == 30);
    CHECK(explained(life, api).at("class").is_null());
    REQUIRE(
        life.ask(CommandId::class_route, R"({"name": "api.shop.example", "class": "local", "pool": "v2"})")
            .has_value());
    CHECK(life.answered("api.shop.example") == 20);
    const auto status = life.ask(CommandId::status).value();
    const auto& shown = status.at("steers").at(1).at("classes").at(0);
    CHECK(shown.at("answers").to_number<int>() == 1);
    CHECK(shown.at("by") == "root");
    CHECK(status.at("steers").at(1).at("pools").at(1).at("answers").to_number<int>() == 0);
  }
  Life life(files);
  life.start();
  CHECK(life.answered("api.shop.example") == 20);
  const auto reply = explained(life, api);
  CHECK(reply.at("class").at("class") == "local");
  CHECK(reply.at("class").at("prefix") == "127.0.0.0/8");
  CHECK(reply.at("class").at("pool") == "v2");
  CHECK(reply.at("class").at("open") == true);
  CHECK(reply.at("slot").at("pool") == "plain");
  CHECK(reply.at("slot").at("answered_by") == "v2");
  CHECK(reply.at("slot").at("answer").at(0) == "192.0.2.20");
  CHECK(reply.at("pools").at(1).at("endpoints").at(0).at("pool_share").to_number<double>() == 1);
  const auto other = explained(life, R"({"name": "api.shop.example", "client": "126.0.0.0/24"})");
  CHECK(other.at("class").is_null());
  CHECK(other.at("scope").to_number<int>() == 24);
  CHECK(other.at("pools").at(1).at("endpoints").at(0).at("why_not") == "its pool has no share now");

  REQUIRE(life.ask(CommandId::endpoint_down, R"({"address": "192.0.2.20"})").has_value());
  CHECK(life.answered("api.shop.example") == 30);
  CHECK(explained(life, api).at("class").at("open") == false);
  REQUIRE(life.ask(CommandId::endpoint_auto, R"({"address": "192.0.2.20"})").has_value());
  REQUIRE(
      life.ask(CommandId::class_unroute, R"({"name": "api.shop.example", "class": "local"})").has_value());
  CHECK(life.answered("api.shop.example") == 30);
}

TEST_CASE("explanations of what is not steered, or is by another name") {
  const Files files;
  files.write("shop.example.zone",
              zone_text +
                  "alias IN CNAME www\nfar IN CNAME www.elsewhere.example.\nloop IN CNAME loop\n"
                  "sub IN NS ns.elsewhere.example.\n");
  auto text = config_text + "[steer.\"*.preview.shop.example\"]\npools = { v2 = 1 }\n";
  files.write("sluice.toml", text);
  Life life(files);
  life.start();
  struct Row {
    const char* name;
    const char* kind;
    const char* text;
  };
  const Row rows[] = {
      {"ns.shop.example", "plain", "1 A record of the zone file, TTL 3600s"},
      {"shop.example", "plain", "it has no A record: the answer is empty"},
      {"nobody.shop.example", "missing", "there is no such name: the answer is NXDOMAIN"},
      {"a.sub.shop.example", "delegated", "it is delegated to other servers: the answer is a referral"},
      {"www.elsewhere.example", "elsewhere", "no zone of ours has this name: the answer is REFUSED"},
      {"far.shop.example", "elsewhere", "it leads out of our zones: the resolver goes on by itself"},
      {"loop.shop.example", "plain", "a chain of CNAMEs that does not end"},
      {"alias.shop.example", "steered", ""},
      {"a.preview.shop.example", "steered", ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    const auto reply = explained(life, std::string(R"({"name": ")") + row.name + "\"}");
    CHECK(reply.at("kind") == boost::json::value(row.kind));
    CHECK(reply.at("text") == boost::json::value(row.text));
  }
  CHECK(explained(life, R"({"name": "alias.shop.example"})").at("via").at(0) == "www.shop.example.");
  const auto wildcard = explained(life, R"({"name": "a.preview.shop.example"})");
  CHECK(wildcard.at("wildcard") == true);
  CHECK(wildcard.at("steer") == "*.preview.shop.example.");
  for (const auto* arguments : {R"({"name": "a..b"})", R"({"name": "www.shop.example", "type": "MX"})",
                                R"({"name": "www.shop.example", "client": "192.0.2.1/33"})"})
    CHECK(explained(life, arguments).is_string());
}

}  // namespace
}  // namespace sluice::control
