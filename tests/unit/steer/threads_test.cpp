// One thread publishes at full speed while others choose: meant for ThreadSanitizer and AddressSanitizer,
// too.
#include <array>
#include <atomic>
#include <thread>

#include "world.hpp"

namespace sluice::steer {
namespace {

using namespace test;

// An answer of version n holds 10.n.n.1 and 10.n.n.2 and nothing else.
bool whole(const Choice& choice) {
  const auto texts = addresses_of(choice.answer);
  if (texts.size() != 2 || texts[0] == texts[1]) return false;
  const Address first = parse_address(texts[0]).value(), second = parse_address(texts[1]).value();
  return first.octets[0] == 10 && first.octets[1] == first.octets[2] && second.octets[1] == first.octets[1] &&
         second.octets[2] == first.octets[1] && first.octets[3] + second.octets[3] == 3;
}

std::vector<Candidate> version(unsigned number) {
  const std::string middle = std::to_string(number % 256);
  const std::string prefix = "10." + middle + "." + middle + ".";
  // A third one makes the pieces differ in size, so that they are reused as something else.
  std::vector<Candidate> candidates = {up(prefix + "1"), up(prefix + "2")};
  for (unsigned i = 0; i < number % 3; ++i) candidates.push_back(down("192.0.2." + std::to_string(i)));
  return candidates;
}

TEST_CASE("no reader ever sees a torn or reused answer or table") {
  World world(1, std::size_t{64} << 10);
  world.pool("v1", version(0));
  world.pool("v2", version(1));
  SteerInput steer = world.input("www.example", {{"v1", 1}, {"v2", 1}}, 2);
  auto next_table = [&](unsigned number) {
    steer.ttl = number;
    for (auto& pool : steer.pools) pool.counter = number;  // consistent with the TTL in each table
    steer.layout = relay(steer.layout, std::vector<double>{static_cast<double>(1 + number % 5),
                                                           static_cast<double>(1 + number % 7)});
    // A reader that lost its processor inside a section holds back memory; then the block is full for a
    // while.
    while (!world.block.publish_table(world.names.at("www.example."), steer)) std::this_thread::yield();
  };
  world.publish(steer);
  next_table(1);

  struct Reading {
    std::atomic<unsigned> count{0};
    std::atomic<bool> good{true};
  };
  std::array<Reading, 2> readings;
  std::atomic<bool> stop{false};
  const auto name = wire::Name::parse("www.example").value();
  auto read = [&](Reading& reading, unsigned seed) {
    Quiescence::Reader reader(world.quiescence);
    for (unsigned at = seed; !stop.load(std::memory_order_relaxed);) {
      const Quiescence::Section section(reader);
      for (unsigned batch = 0; batch < 16; ++batch) {
        at = at * 1664525 + 1013904223;
        const auto* entry = world.block.find(name.wire());
        const auto& table = *world.block.at<Table>(entry->table.load(std::memory_order_seq_cst));
        const Choice choice =
            choose(world.block, table, Draw::from_bits(at * 0x9E3779B97F4A7C15), Family::v4);
        if (!whole(choice) || choice.ttl != choice.counter) reading.good = false;
        ++reading.count;
      }
    }
  };
  std::thread first(read, std::ref(readings[0]), 1), second(read, std::ref(readings[1]), 2);

  // Until there was enough of both, however the machine divides its time.
  unsigned number = 2;
  while (number < 3000 || readings[0].count < 3000 || readings[1].count < 3000) {
    const std::string pool = number % 2 == 0 ? "v1" : "v2";
    while (!world.block.publish_pool(pool, version(number))) std::this_thread::yield();
    if (number % 3 == 0) next_table(number);
    ++number;
  }
  stop = true;
  first.join();
  second.join();
  CHECK(readings[0].good);
  CHECK(readings[1].good);
}

TEST_CASE("pools that fail and come back while draws are redirected: every draw has an answer") {
  constexpr unsigned count = 6;
  World world(1, std::size_t{64} << 10);
  std::vector<World::Weight> weights;
  for (unsigned i = 0; i < count; ++i) {
    weights.push_back({"p" + std::to_string(i), i + 2 < count ? 1.0 + i : 0});
    world.pool(weights.back().pool, {up("192.0.2.1")});
  }
  SteerInput steer = world.input("www.example", weights);
  for (unsigned i = 0; i < count; ++i) steer.pools[i].cap = 0.3;
  steer.pools[count - 2].standby = 2;
  steer.pools[count - 1].standby = 1;
  world.publish(steer);

  std::atomic<unsigned> read_count{0};
  std::atomic<bool> stop{false}, good{true};
  std::thread reading([&] {
    Quiescence::Reader reader(world.quiescence);
    const Table& table = world.table("www.example");
    for (unsigned at = 1; !stop.load(std::memory_order_relaxed);) {
      const Quiescence::Section section(reader);
      for (unsigned batch = 0; batch < 16; ++batch, ++read_count) {
        at = at * 1664525 + 1013904223;
        const auto choice = choose(world.block, table, Draw::from_bits(at * 0x9E3779B97F4A7C15), Family::v4);
        if (choice.counter >= count || first_of(choice.answer) != "192.0.2.1") good = false;
      }
    }
  });
  const Candidate states[] = {up("192.0.2.1"), down("192.0.2.1"), drained("192.0.2.1")};
  for (unsigned number = 0; number < 6000 || read_count < 6000; ++number) {
    const unsigned pool = number * 2654435761U >> 8;
    const PoolRules rules{.fail_open = number % 5 == 0 ? config::FailOpen::all : config::FailOpen::others};
    while (!world.block.publish_pool(weights[pool % count].pool, {&states[pool / count % 3], 1}, rules))
      std::this_thread::yield();
  }
  stop = true;
  reading.join();
  CHECK(good);
}

}  // namespace
}  // namespace sluice::steer
