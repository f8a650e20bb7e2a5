// What answer() alone costs: nanoseconds a query, over kinds of queries. Called by tools/bench.
//
// Without arguments it prints a table: the least of `rounds` timings, and allocations, which there may not
// be. `--cases` prints the cases' names, and `--count CASE TIMES` asks so many times without a clock, for a
// tool that counts instructions.
//
// The daemon's caches are warmer here than in real use; compare builds and cases with one another.
#include "answer/answer.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "../unit/answer/allocations.hpp"
#include "../unit/wire/messages.hpp"
#include "steer/layout.hpp"

namespace sluice::bench {
namespace {

using wire::RrType;
using wire::test::Message;
using wire::test::Octets;

constexpr unsigned names = 100'000, large_records = 40, rounds = 7;
constexpr std::size_t mixed_queries = 1 << 14;
constexpr auto round_time = std::chrono::milliseconds(50);
constexpr std::uint64_t now_s = 1'800'000'000;

std::string name_of(char letter, std::uint32_t number) {
  char text[8];
  std::snprintf(text, sizeof text, "%c%06u", letter, number);
  return text;
}

std::string zone_text() {
  std::string text =
      "$TTL 300\n@ SOA ns1 hostmaster 1 3600 900 604800 300\n@ NS ns1\nns1 A 192.0.2.53\nhost A 192.0.2.1\n";
  for (unsigned i = 0; i < large_records; ++i) text += "many A 198.51.100." + std::to_string(i + 1) + "\n";
  for (unsigned i = 0; i < names; ++i)
    text += name_of('h', i) + " A 10." + std::to_string(i >> 16) + "." + std::to_string(i >> 8 & 255) + "." +
            std::to_string(i & 255) + "\n";
  return text;
}

Octets query(std::string_view name, RrType type, const Octets& options = {}) {
  return Message(0x1234)
      .question(std::string(name) + ".bench.test.", type)
      .opt(1232, false, options)
      .octets();
}

Octets cookie_option(wire::Bytes cookie) {
  Octets option{0, 10, 0, static_cast<std::uint8_t>(cookie.size())};
  wire::test::append(option, cookie);
  return option;
}

steer::Candidate candidate(std::string_view address) { return {parse_address(address).value()}; }

struct Case {
  const char* name;
  std::vector<Octets> queries;  // asked in turn
};

class World {
 public:
  World() {
    auto& block = *block_;
    const bool published =
        block.publish_pool("stable", std::vector{candidate("192.0.2.10")}) &&
        block.publish_pool("canary", std::vector{candidate("192.0.2.20")}) &&
        block.publish_pool("dual", std::vector{candidate("192.0.2.30"), candidate("2001:db8::30")});
    const auto www = add_steer("www", {"stable", "canary"}, config::Method::random);
    const auto both = add_steer("both", {"dual", "canary"}, config::Method::random);
    const auto sticky = add_steer("sticky", {"stable", "canary"}, config::Method::sticky);
    block.add_class("few",
                    std::vector{parse_prefix("192.0.2.0/24").value(), parse_prefix("10.0.0.0/8").value()});
    block.add_class("many", many_prefixes());
    const auto few = add_steer("few", {"stable", "canary"}, config::Method::random, {"few"});
    const auto many =
        add_steer("many-classes", {"stable", "canary"}, config::Method::random, {"few", "many"});
    auto loaded = zone::load_text(zone_text(), "bench.zone", wire::Name::parse("bench.test.").value(),
                                  std::vector{www, both, sticky, few, many});
    if (!published || loaded.zone == nullptr)
      std::fputs(to_text(loaded.errors).c_str(), stderr), std::exit(1);
    snapshot_.zones = zone::ZoneSet({std::move(loaded.zone)});
    snapshot_.block = block_;
    snapshot_.pairs = std::make_shared<steer::PairTable>();
    snapshot_.policy.cookies.secrets = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    scratch_.now = {now_s, 0};
  }

  std::vector<Case> cases() const {
    const Octets client_half{1, 2, 3, 4, 5, 6, 7, 8};
    const auto cookie = answer::make_cookie(snapshot_.policy.cookies.secrets[0], client_half, client_.address,
                                            static_cast<std::uint32_t>(now_s));
    return {
        {"steered-a", {query("www", RrType::a)}},
        {"steered-a-cookie", {query("www", RrType::a, cookie_option(cookie))}},
        {"steered-a-dual", {query("both", RrType::a)}},
        {"sticky-a", {query("sticky", RrType::a)}},
        {"class-a", {query("few", RrType::a)}},
        {"class-a-of-many", {query("many-classes", RrType::a)}},
        {"plain-a", {query("host", RrType::a)}},
        {"nxdomain", {query("nothing", RrType::a)}},
        {"large", {query("many", RrType::a)}},
        {"names", mixed()},
    };
  }

  std::size_t ask(const Octets& message) {
    const Quiescence::Section section(reader_);
    return answer::answer(snapshot_, scratch_, client_, message, buffer_);
  }

 private:
  zone::Steered add_steer(const char* label, std::vector<std::string> pools, config::Method method,
                          const std::vector<std::string>& classes = {}) {
    const auto name = wire::Name::parse(std::string(label) + ".bench.test.").value();
    const auto entry = block_->add_name(name);
    steer::SteerInput input{.name = name,
                            .pools = {{pools[0], next_counter_++}, {pools[1], next_counter_++}},
                            .layout = steer::lay_out(std::vector<double>{95, 5}),
                            .ttl = 30,
                            .method = method};
    for (const auto& name_of_class : classes)
      input.routes.push_back({name_of_class, pools[1], next_counter_++});
    if (!block_->publish_table(entry, input)) std::fputs("the block is full\n", stderr), std::exit(1);
    return {name, entry};
  }

  // Nearly as many as there may be, so that a look is a search over 8,000 intervals.
  static std::vector<Prefix> many_prefixes() {
    std::vector<Prefix> prefixes;
    for (unsigned i = 0; i + 2 < steer::prefixes_max; ++i)
      prefixes.push_back(
          {{Family::v4, {172, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}}, 25});
    return prefixes;
  }

  // Nine of ten names exist.
  static std::vector<Octets> mixed() {
    std::mt19937 chance(1);
    std::vector<Octets> queries;
    for (std::size_t i = 0; i < mixed_queries; ++i)
      queries.push_back(
          query(name_of(chance() % 10 == 0 ? 'x' : 'h', static_cast<unsigned>(chance() % names)), RrType::a));
    return queries;
  }

  Quiescence quiescence_;
  Quiescence::Reader reader_{quiescence_};
  Counters counters_;
  answer::Scratch scratch_{counters_.add_shard(), 1};
  std::shared_ptr<steer::Block> block_ = std::make_shared<steer::Block>(quiescence_, 8);
  answer::Snapshot snapshot_;
  answer::Client client_{parse_address("192.0.2.99").value(), answer::Transport::udp};
  Octets buffer_ = Octets(wire::udp_size_max);
  AnswerCounter next_counter_ = 0;
};

void ask_times(World& world, const Case& one, std::uint64_t times) {
  for (std::uint64_t i = 0, at = 0; i < times; ++i, at = at + 1 == one.queries.size() ? 0 : at + 1)
    if (world.ask(one.queries[at]) == 0) std::fprintf(stderr, "%s: no reply\n", one.name), std::exit(1);
}

void time_case(World& world, const Case& one) {
  using Clock = std::chrono::steady_clock;
  const auto allocated = answer::test::allocations();
  ask_times(world, one, one.queries.size());
  double least_ns = 1e9;
  std::uint64_t times = 1000;
  for (unsigned round = 0; round < rounds;) {
    const auto start = Clock::now();
    ask_times(world, one, times);
    const std::chrono::duration<double, std::nano> took = Clock::now() - start;
    if (took < round_time) {
      times *= 2;
      continue;
    }
    least_ns = std::min(least_ns, took.count() / static_cast<double>(times));
    ++round;
  }
  std::printf("%-18s %8.1f ns %4llu allocations\n", one.name, least_ns,
              static_cast<unsigned long long>(answer::test::allocations() - allocated));
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  using namespace sluice::bench;
  World world;
  const auto cases = world.cases();
  if (argc == 2 && std::string_view(argv[1]) == "--cases") {
    for (const auto& one : cases) std::puts(one.name);
    return 0;
  }
  if (argc == 4 && std::string_view(argv[1]) == "--count") {
    for (const auto& one : cases)
      if (std::string_view(argv[2]) == one.name)
        return ask_times(world, one, std::strtoull(argv[3], nullptr, 10)), 0;
    return std::fprintf(stderr, "no case '%s'\n", argv[2]), 2;
  }
  for (const auto& one : cases) time_case(world, one);
}
