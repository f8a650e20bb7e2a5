// The answer path does not allocate.
#include <random>

#include "allocations.hpp"
#include "world.hpp"

namespace sluice::answer {
namespace {

using namespace test;

TEST_CASE("100,000 varied queries are answered without an allocation") {
  World world;
  const auto queries = varied_queries();
  Octets buffer(wire::message_size_max);
  std::mt19937 random(1);

  std::uint64_t before = allocations();
  ::operator delete(::operator new(1));
  REQUIRE(allocations() == before + 1);  // they are counted

  std::uint64_t octets = 0;
  before = allocations();
  for (unsigned i = 0; i < 100000; ++i) {
    Client client{.address = {}, .transport = i % 3 == 0 ? Transport::tcp : Transport::udp};
    client.address.octets[3] = static_cast<std::uint8_t>(random());
    octets += world.put(queries[i % queries.size()], buffer, client);
  }
  CHECK(allocations() == before);
  CHECK(octets > 100000 * 12);
}

}  // namespace
}  // namespace sluice::answer
