// The answer path as a whole: shares, limits, counters, and whatever may arrive. What a single query gets is
// in tests/query.
#include <map>
#include <random>

#include "../wire/mutation.hpp"
#include "world.hpp"

namespace sluice::answer {
namespace {

using namespace test;
using wire::test::mutated;
using wire::test::read_reply;
using wire::test::subnet_option;
using wire::test::reading::well_formed;

unsigned id_of(const Octets& message) { return message[0] << 8U | message[1]; }

Client client_number(unsigned number) {
  return {.address = {.family = Family::v4,
                      .octets = {10, static_cast<std::uint8_t>(number >> 16),
                                 static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}}};
}

Octets query_for(std::string_view name, RrType type) { return Message(1).question(name, type).octets(); }

// The last octet of the answer's only address: 1 or 2, as its pool is v1 or v2.
unsigned pool_of(World& world, const Octets& query, const Client& client) {
  const Octets reply = world.ask(query, client);
  return reply.size() > 29 ? reply.back() : 0;
}

TEST_CASE(
    "random: 20,000 queries, each share within a percentage point, for A and for AAAA, one client or many") {
  for (const unsigned clients : {1U, 10000U})
    for (const RrType type : {RrType::a, RrType::aaaa}) {
      World world;
      const Octets query = query_for("www.example.", type);
      std::map<unsigned, unsigned> counts;
      for (unsigned i = 0; i < 20000; ++i) ++counts[pool_of(world, query, client_number(i % clients))];
      CHECK(counts.size() == 2);
      CHECK(counts[2] > 1800);
      CHECK(counts[2] < 2200);
    }
}

TEST_CASE("random: A and AAAA that are asked one after the other come from one pool, and the shares stay") {
  World world;
  world.set_weights(1, 1);
  const Octets a = query_for("www.example.", RrType::a), aaaa = query_for("www.example.", RrType::aaaa);
  unsigned split = 0, second = 0;
  for (unsigned i = 0; i < 20000; ++i) {
    const Client client = client_number(i % 7);
    const unsigned first = pool_of(world, i % 2 == 0 ? a : aaaa, client);
    split += first != pool_of(world, i % 2 == 0 ? aaaa : a, client);
    second += first == 2;
  }
  CHECK(split == 0);
  CHECK(second > 9800);
  CHECK(second < 10200);
}

TEST_CASE("random: A of one name and AAAA of another are drawn apart") {
  World world;
  world.set_weights(1, 1);
  const Octets a = query_for("www.example.", RrType::a), aaaa = query_for("other.example.", RrType::aaaa);
  unsigned differing = 0;
  for (unsigned i = 0; i < 2000; ++i)
    differing += pool_of(world, a, client_number(i)) != pool_of(world, aaaa, client_number(i));
  CHECK(differing > 850);
  CHECK(differing < 1150);
}

TEST_CASE("sticky: a client keeps its pool, for A and for AAAA, and clients are spread") {
  World world;
  const Octets a = query_for("sticky.example.", RrType::a), aaaa = query_for("sticky.example.", RrType::aaaa);
  unsigned moved = 0, second = 0;
  for (unsigned number = 0; number < 1000; ++number) {
    const unsigned pool = pool_of(world, a, client_number(number));
    for (int repeat = 0; repeat < 5; ++repeat)
      moved += pool_of(world, a, client_number(number)) != pool ||
               pool_of(world, aaaa, client_number(number)) != pool;
    second += pool == 2;
  }
  CHECK(moved == 0);
  CHECK(second > 430);
  CHECK(second < 570);
}

TEST_CASE("sticky: clients of one subnet share a pool, at the prefix length that is told apart") {
  World world;
  unsigned differing = 0;
  for (unsigned net = 0; net < 50; ++net) {
    std::map<unsigned, unsigned> pools;
    for (unsigned host = 0; host < 8; ++host) {
      const Octets address = {172, 16, static_cast<std::uint8_t>(net), static_cast<std::uint8_t>(host)};
      const Octets query = Message(1)
                               .question("sticky.example.", RrType::a)
                               .opt(1232, false, subnet_option(1, 32, 0, address))
                               .octets();
      const auto reply = read_reply(world.ask(query, client_number(net * 8 + host)));
      REQUIRE(reply.has_value());
      ++pools[reply->sections[0].at(0).rdata.back()];
    }
    differing += pools.size() > 1;
  }
  CHECK(differing == 0);
}

TEST_CASE("from the publication on, no answer follows the old weights") {
  World world;
  const Octets query = query_for("www.example.", RrType::a);
  for (unsigned round = 0; round < 200; ++round) {
    world.set_weights(round % 2, 1 - round % 2);
    for (unsigned i = 0; i < 20; ++i)
      REQUIRE(pool_of(world, query, client_number(i)) == (round % 2 == 1 ? 1 : 2));
  }
}

// The target of the first CNAME in the answer.
std::string host_of(World& world, std::string_view name, RrType type, const Client& client) {
  const auto reply = read_reply(world.ask(query_for(name, type), client));
  REQUIRE(reply.has_value());
  REQUIRE(!reply->sections[0].empty());
  REQUIRE(reply->sections[0][0].type == 5);
  return reply->sections[0][0].rdata_text;
}

TEST_CASE("a client's queries of all types lead to one host, and hosts have their shares") {
  World world;
  std::map<std::string, unsigned> counts;
  const RrType types[] = {RrType::a, RrType::aaaa, RrType::https, RrType::mx};
  for (unsigned i = 0; i < 20000; ++i) {
    const Client client = client_number(i % 7);
    const auto host = host_of(world, "cdn.example.", types[i % 4], client);
    for (unsigned other = 1; other < 4; ++other)
      REQUIRE(host_of(world, "cdn.example.", types[(i + other) % 4], client) == host);
    ++counts[host];
  }
  CHECK(counts.size() == 3);
  CHECK(std::abs(static_cast<int>(counts["edge.cdn.test."]) - 5000) < 400);
  CHECK(std::abs(static_cast<int>(counts["backup.cdn.test."]) - 5000) < 400);
  CHECK(std::abs(static_cast<int>(counts["spare.cdn.test."]) - 10000) < 400);
}

TEST_CASE("sticky: a client keeps its host, and clients are spread") {
  World world;
  std::map<std::string, unsigned> counts;
  for (unsigned i = 0; i < 4000; ++i) {
    const Client client = client_number(i);
    const auto host = host_of(world, "stickycdn.example.", RrType::a, client);
    REQUIRE(host_of(world, "stickycdn.example.", RrType::aaaa, client) == host);
    REQUIRE(host_of(world, "stickycdn.example.", RrType::txt, client) == host);
    ++counts[host];
  }
  CHECK(counts.size() == 3);
  for (const auto& [host, count] : counts) CHECK(count > 800);
}

TEST_CASE("a reply is counted as steered once, however many steered names its chain has") {
  World world;
  for (unsigned i = 0; i < 50; ++i) world.ask(query_for("chain.example.", RrType::a));
  CHECK(world.counters.value(Metric::replies_steered) == 50);
}

TEST_CASE("no reply by UDP is larger than the client or we allow, whatever EDNS size it names") {
  World world;
  const struct {
    const char* name;
    RrType type;
  } questions[] = {{"many.example.", RrType::a},    {"many.example.", RrType::aaaa},
                   {"big.example.", RrType::txt},   {"huge.example.", RrType::txt},
                   {"x.child.example.", RrType::a}, {"nope.example.", RrType::a}};
  for (const auto& question : questions) {
    CAPTURE(question.name);
    unsigned bad = 0;
    std::size_t largest = 0;
    bool truncated_before = true;
    for (unsigned size = 0; size <= 4096; ++size) {
      const std::size_t limit = std::min(std::max(size, 512U), 1232U);
      Octets buffer(wire::udp_size_max + 64, 0xCA);
      const std::size_t length =
          world.put(Message(1).question(question.name, question.type).opt(size).octets(), buffer);
      largest = std::max(largest, length);
      const auto reply = read_reply(wire::Bytes(buffer).first(length));
      const bool untouched = std::all_of(buffer.begin() + static_cast<std::ptrdiff_t>(limit), buffer.end(),
                                         [](std::uint8_t octet) { return octet == 0xCA; });
      bad += !reply || length > limit || !untouched || !reply->edns;
      // What fits once fits with more room, too.
      const bool truncated = reply && (reply->flags & 0x0200) != 0;
      bad += truncated && !truncated_before;
      truncated_before = truncated;
    }
    CHECK(bad == 0);
    CHECK(largest <= 1232);
    CHECK(truncated_before == (std::string_view(question.name) == "huge.example." ||
                               std::string_view(question.name) == "x.child.example."));
  }
}

TEST_CASE("without EDNS the limit is 512 octets, over TCP it is TCP's") {
  World world;
  for (const auto& query : varied_queries()) {
    const bool edns = query.size() > 11 && query[11] == 1;
    const Octets udp = world.ask(query);
    CHECK(udp.size() <= (edns ? 1232U : 512U));
    const auto tcp = read_reply(world.ask(query, {.address = {}, .transport = Transport::tcp}));
    REQUIRE(tcp.has_value());
    CHECK((tcp->flags & 0x0200) == 0);
  }
}

TEST_CASE("every octet of a reply was written: what was in the buffer before does not show") {
  World world;
  for (const auto& query : varied_queries()) {
    Octets replies[2];
    for (unsigned round = 0; round < 2; ++round) {
      Octets buffer(wire::udp_size_max, round == 0 ? 0x00 : 0xFF);
      world.scratch.random = Random(7);
      world.snapshot.pairs = std::make_shared<steer::PairTable>();
      buffer.resize(world.put(query, buffer));
      replies[round] = buffer;
    }
    REQUIRE(replies[0] == replies[1]);
  }
}

TEST_CASE("each reply is counted once by its code, and what else there is to say of it") {
  using M = Metric;
  const struct {
    const char* name;
    Octets query;
    std::vector<Metric> counted;
  } cases[] = {
      {"an answer", query_for("host.example.", RrType::a), {M::replies_noerror}},
      {"a steered answer", query_for("www.example.", RrType::a), {M::replies_noerror, M::replies_steered}},
      {"a steered answer behind a CNAME",
       query_for("alias.example.", RrType::a),
       {M::replies_noerror, M::replies_steered}},
      {"NODATA", query_for("host.example.", RrType::mx), {M::replies_noerror}},
      {"NODATA of a steered name", query_for("four.example.", RrType::aaaa), {M::replies_noerror}},
      {"NXDOMAIN", query_for("nope.example.", RrType::a), {M::replies_nxdomain}},
      {"a truncated answer",
       query_for("huge.example.", RrType::txt),
       {M::replies_noerror, M::replies_truncated}},
      {"a steered answer that does not fit is none",
       query_for("many.example.", RrType::a),
       {M::replies_noerror, M::replies_truncated}},
      {"REFUSED", query_for("elsewhere.test.", RrType::a), {M::replies_refused}},
      {"NOTIMP", Message(1, 0x2000).question("example.", RrType::soa).octets(), {M::replies_notimp}},
      {"FORMERR", Message(1).octets(), {M::replies_formerr}},
      {"BADVERS",
       Message(1).question("example.", RrType::a).opt(1232, false, {}, 1).octets(),
       {M::replies_other}},
      {"a response", Message(1, 0x8000).question("example.", RrType::a).octets(), {M::dropped}},
      {"three octets", {1, 2, 3}, {M::dropped}},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    World world;
    world.ask(c.query);
    for (std::size_t i = 0; i < metric_count; ++i) {
      CAPTURE(metrics[i].name);
      CAPTURE(metrics[i].labels);
      const auto expected = std::count(c.counted.begin(), c.counted.end(), static_cast<Metric>(i));
      CHECK(world.counters.value(static_cast<Metric>(i)) == static_cast<std::uint64_t>(expected));
    }
  }
}

TEST_CASE("answers are counted by their pool") {
  World world;
  const Octets query = query_for("www.example.", RrType::a);
  std::map<unsigned, std::uint64_t> counts;
  for (unsigned i = 0; i < 1000; ++i) ++counts[pool_of(world, query, client_number(i))];
  world.ask(query_for("host.example.", RrType::a));
  CHECK(world.counters.answers(0) == counts[1]);
  CHECK(world.counters.answers(1) == counts[2]);
  CHECK(counts[1] + counts[2] == 1000);
}

TEST_CASE("each way of handing out addresses leaves the batch's clock beside its counter") {
  for (const auto transport : {Transport::udp, Transport::tcp, Transport::tls}) {
    World world;
    auto other_client = client_number(1);
    other_client.transport = transport;
    world.scratch.now.steady_us = 7;
    world.ask(query_for("host.example.", RrType::a), other_client);
    CHECK(std::max(world.counters.last_answer(0), world.counters.last_answer(1)) == 0);
    world.ask(query_for("www.example.", RrType::a), other_client);
    CHECK(std::max(world.counters.last_answer(0), world.counters.last_answer(1)) == 7);
    world.scratch.now.steady_us = 9;
    world.ask(query_for("alias.example.", RrType::aaaa), other_client);
    CHECK(std::max(world.counters.last_answer(0), world.counters.last_answer(1)) == 9);
  }
}

TEST_CASE("100,000 mutated queries: silence or a well-formed reply with the query's id and opcode") {
  World world;
  const auto seeds = varied_queries();
  std::mt19937 random(3);
  unsigned silent = 0, bad = 0;
  Octets buffer(wire::message_size_max);
  for (unsigned i = 0; i < 100000; ++i) {
    const Octets query = mutated(seeds[random() % seeds.size()], random);
    const Transport transport = i % 4 == 0 ? Transport::tcp : Transport::udp;
    const std::size_t size = world.put(query, buffer, {.address = {}, .transport = transport});
    const bool answerable = query.size() >= 12 && (query[2] & 0x80) == 0;
    silent += size == 0;
    bool fine = (size != 0) == answerable;
    if (fine && answerable) {
      const wire::Bytes reply = wire::Bytes(buffer).first(size);
      fine = id_of(query) == id_of(buffer) && (buffer[2] & 0xF8) == (0x80 | (query[2] & 0x78)) &&
             well_formed(reply) &&
             size <= (transport == Transport::tcp ? wire::message_size_max : wire::udp_size_max) &&
             (i % 10 != 0 || read_reply(reply).has_value());
    }
    bad += !fine;
  }
  CHECK(bad == 0);
  CHECK(silent > 1000);
  CHECK(silent < 50000);
}

TEST_CASE("every type, at names of every kind") {
  World world;
  Octets buffer(wire::message_size_max);
  for (const char* name :
       {"www.example.", "host.example.", "alias.example.", "x.child.example.", "nope.example.", "example."}) {
    CAPTURE(name);
    unsigned bad = 0;
    for (unsigned type = 0; type <= 0xFFFF; ++type) {
      const std::size_t size = world.put(query_for(name, static_cast<RrType>(type)), buffer);
      bad += size < 12 || !well_formed(wire::Bytes(buffer).first(size));
    }
    CHECK(bad == 0);
  }
}

TEST_CASE("every opcode with every class: only a query of class IN is looked up") {
  World world;
  Octets buffer(wire::message_size_max);
  unsigned bad = 0, looked_up = 0;
  for (unsigned opcode = 0; opcode < 16; ++opcode)
    for (unsigned rr_class = 0; rr_class <= 0xFFFF; ++rr_class) {
      const Octets query = Message(9, opcode << 11)
                               .question("host.example.", RrType::a, static_cast<RrClass>(rr_class))
                               .octets();
      const std::size_t size = world.put(query, buffer);
      const unsigned expected = opcode != 0 ? 4 : rr_class != 1 ? 5 : 0;
      bad += !well_formed(wire::Bytes(buffer).first(size)) || (buffer[3] & 0xFU) != expected ||
             (buffer[2] >> 3 & 0xFU) != opcode || (buffer[2] & 0x80) == 0;
      looked_up += buffer[7] == 1;
    }
  CHECK(bad == 0);
  CHECK(looked_up == 1);
}

TEST_CASE("a response is never answered, whatever else it is") {
  World world;
  Octets buffer(wire::message_size_max);
  for (auto query : varied_queries())
    for (unsigned second = 0x80; second <= 0xFF; ++second) {
      query[2] = static_cast<std::uint8_t>(second);
      REQUIRE(world.put(query, buffer) == 0);
    }
}

}  // namespace
}  // namespace sluice::answer
