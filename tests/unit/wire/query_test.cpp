// Query::parse on what may arrive: well-formed, malformed in each way, and mutated at random.
#include "wire/query.hpp"

#include <doctest/doctest.h>

#include "messages.hpp"
#include "mutation.hpp"

namespace sluice::wire {
namespace {

using test::append;
using test::Message;
using test::mutated;
using test::name_octets;
using test::Octets;
using test::subnet_option;

ParseResult parse(const Octets& octets, Query& query) {
  // In memory of exactly this size, so that AddressSanitizer sees a read behind it.
  const Octets exact(octets);
  return query.parse(exact);
}

ParseResult parse(const Octets& octets) {
  Query query;
  return parse(octets, query);
}

Message plain() { return Message(0x1234).question("www.example.", RrType::a); }

TEST_CASE("a plain query") {
  Query query;
  REQUIRE(parse(Message(0xBEEF, 0x0100).question("WwW.example.", RrType::aaaa).octets(), query) ==
          ParseResult::query);
  CHECK(query.id == 0xBEEF);
  CHECK(query.flags == 0x0100);
  CHECK(query.recursion_desired());
  CHECK(query.opcode() == Opcode::query);
  CHECK(to_text(query.name.wire()) == "www.example.");
  CHECK(query.type == RrType::aaaa);
  CHECK(query.rr_class == RrClass::in);
  CHECK(query.question_end == 12 + 13 + 4);
  CHECK_FALSE(query.edns.present);
  CHECK(query.edns.udp_size == 512);
}

TEST_CASE("a message is answered only when it has a header and is a query") {
  const Octets whole = plain().octets();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    const auto expected = size < 12 ? ParseResult::not_answerable : ParseResult::malformed;
    CHECK(parse({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}) == expected);
  }
  for (unsigned flags = 0x8000; flags <= 0xFFFF; flags += 0x0111) {
    CAPTURE(flags);
    CHECK(parse(Message(1, flags).question("www.example.", RrType::a).octets()) ==
          ParseResult::not_answerable);
  }
}

TEST_CASE("the header's counts") {
  const Octets a = {192, 0, 2, 1}, owner = name_octets("www.example.");
  const Octets soa(22, 0);
  const struct {
    const char* name;
    Octets octets;
    ParseResult expected;
  } cases[] = {
      {"no question", Message(1).octets(), ParseResult::malformed},
      {"two questions", plain().question("b.example.", RrType::a).octets(), ParseResult::malformed},
      {"a question that is counted and not there", plain().set_count(4, 2).octets(), ParseResult::malformed},
      {"an answer", plain().record(owner, 1, 1, 0, a, 6).octets(), ParseResult::malformed},
      {"one authority record, as IXFR has", plain().record(owner, 6, 1, 0, soa, 8).octets(),
       ParseResult::query},
      {"two authority records",
       plain().record(owner, 6, 1, 0, soa, 8).record(owner, 6, 1, 0, soa, 8).octets(),
       ParseResult::malformed},
      {"an additional record that means nothing to us", plain().record(owner, 1, 1, 0, a).octets(),
       ParseResult::query},
      {"its owner a pointer", plain().record({0xC0, 12}, 1, 1, 0, a).octets(), ParseResult::query},
      {"half a pointer", plain().raw({0xC0}).set_count(10, 1).octets(), ParseResult::malformed},
      {"an owner with a reserved label", plain().record({0x80, 0}, 1, 1, 0, a).octets(),
       ParseResult::malformed},
      {"an owner without an end", plain().raw(Octets(300, 1)).set_count(10, 1).octets(),
       ParseResult::malformed},
      {"all counts 65,535 in 12 octets",
       Message(1).set_count(4, 65535).set_count(6, 65535).set_count(8, 65535).set_count(10, 65535).octets(),
       ParseResult::malformed},
      {"65,535 additional records in no octets", plain().set_count(10, 65535).octets(),
       ParseResult::malformed},
      {"65,535 authority records in no octets", plain().set_count(8, 65535).octets(), ParseResult::malformed},
      {"octets behind the question", plain().raw({0}).octets(), ParseResult::malformed},
      {"octets behind OPT", plain().opt().raw({0}).octets(), ParseResult::malformed},
      {"a record cut short in its fixed part", plain().raw({0, 0, 41, 4}).set_count(10, 1).octets(),
       ParseResult::malformed},
      {"a record cut short in its rdata",
       plain().raw({0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 5, 0, 0}).set_count(10, 1).octets(),
       ParseResult::malformed},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    CHECK(parse(c.octets) == c.expected);
  }
}

TEST_CASE("TSIG is the last record, and there is one (RFC 8945, 5.1)") {
  const Octets owner = {0}, rdata = {1, 2, 3};
  const auto tsig = [&](Message message, std::size_t counted_at = 10) {
    return message.record(owner, 250, 255, 0, rdata, counted_at);
  };
  Query query;
  CHECK(parse(tsig(plain()).octets(), query) == ParseResult::query);
  CHECK(query.tsig_at == query.question_end);
  CHECK(parse(tsig(plain().opt()).octets(), query) == ParseResult::query);
  CHECK(query.tsig_at == query.question_end + 11);
  CHECK(query.edns.present);
  CHECK(parse(plain().octets(), query) == ParseResult::query);
  CHECK(query.tsig_at == 0);
  CHECK(parse(tsig(plain()).opt().octets(), query) == ParseResult::malformed);
  CHECK(parse(tsig(tsig(plain())).octets(), query) == ParseResult::malformed);
  CHECK(parse(tsig(plain(), 8).octets(), query) == ParseResult::malformed);
}

TEST_CASE("many additional records are read to the last") {
  Message message = plain();
  for (int i = 0; i < 4000; ++i) message.record({0}, 1, 1, 0, {});
  Query query;
  REQUIRE(parse(message.opt(900).octets(), query) == ParseResult::query);
  CHECK(query.edns.udp_size == 900);
}

TEST_CASE("other opcodes are well-formed once their question is read") {
  for (unsigned opcode = 1; opcode < 16; ++opcode) {
    CAPTURE(opcode);
    Query query;
    // An UPDATE has records where a query has none, and they are not ours to judge.
    const auto message =
        Message(7, opcode << 11).question("example.", RrType::soa).set_count(6, 3).raw({1, 2, 3});
    CHECK(parse(message.octets(), query) == ParseResult::query);
    CHECK(static_cast<unsigned>(query.opcode()) == opcode);
    CHECK(query.question_end == 12 + 9 + 4);
    CHECK(parse(Message(7, opcode << 11).octets(), query) == ParseResult::malformed);
    CHECK(query.question_end == 0);
  }
}

TEST_CASE("EDNS") {
  const Octets unknown_option = {0xFD, 0xE9, 0, 3, 1, 2, 3}, padding = {0, 12, 0, 0};
  Octets both = unknown_option;
  append(both, padding);
  const struct {
    const char* name;
    Octets octets;
    ParseResult expected;
    unsigned udp_size, version;
    bool dnssec_ok;
  } cases[] = {
      {"plain", plain().opt().octets(), ParseResult::query, 1232, 0, false},
      {"DO", plain().opt(4096, true).octets(), ParseResult::query, 4096, 0, true},
      {"a size of 0 means 512", plain().opt(0).octets(), ParseResult::query, 512, 0, false},
      {"a size of 511 means 512", plain().opt(511).octets(), ParseResult::query, 512, 0, false},
      {"the greatest size", plain().opt(65535).octets(), ParseResult::query, 65535, 0, false},
      {"unknown options are passed over", plain().opt(1232, false, both).octets(), ParseResult::query, 1232,
       0, false},
      {"version 1", plain().opt(1232, false, {}, 1).octets(), ParseResult::query, 1232, 1, false},
      {"version 255, its options are not ours to judge", plain().opt(1232, false, {9}, 255).octets(),
       ParseResult::query, 1232, 255, false},
      {"OPT before another record", plain().opt().record({0}, 250, 255, 0, {}).octets(), ParseResult::query,
       1232, 0, false},
      {"OPT twice", plain().opt().opt().octets(), ParseResult::malformed, 1232, 0, false},
      {"OPT with an owner", plain().record(name_octets("a."), 41, 1232, 0, {}).octets(),
       ParseResult::malformed, 512, 0, false},
      {"OPT with a pointer to the root as its owner", plain().record({0xC0, 24}, 41, 1232, 0, {}).octets(),
       ParseResult::malformed, 512, 0, false},
      {"OPT in the authority section", plain().record({0}, 41, 1232, 0, {}, 8).octets(),
       ParseResult::malformed, 512, 0, false},
      {"an option cut short in its head", plain().opt(1232, false, {0, 12, 0}).octets(),
       ParseResult::malformed, 1232, 0, false},
      {"an option longer than OPT", plain().opt(1232, false, {0, 12, 0, 1}).octets(), ParseResult::malformed,
       1232, 0, false},
      {"an option of 65,535 octets in four", plain().opt(1232, false, {0, 12, 0xFF, 0xFF}).octets(),
       ParseResult::malformed, 1232, 0, false},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    Query query;
    CHECK(parse(c.octets, query) == c.expected);
    CHECK(query.edns.udp_size == c.udp_size);
    CHECK(query.edns.version == c.version);
    CHECK(query.edns.dnssec_ok == c.dnssec_ok);
    CHECK(query.question_end == 12 + 13 + 4);
  }
}

TEST_CASE("Client Subnet, well-formed (RFC 7871)") {
  const struct {
    const char* name;
    Octets option;
    const char* address;
    unsigned source, family;
  } cases[] = {
      {"IPv4 /24", subnet_option(1, 24, 0, {192, 0, 2}), "192.0.2.0", 24, 1},
      {"IPv4 /32", subnet_option(1, 32, 0, {192, 0, 2, 1}), "192.0.2.1", 32, 1},
      {"IPv4 /20", subnet_option(1, 20, 0, {192, 0, 0xF0}), "192.0.240.0", 20, 1},
      {"IPv4 /0", subnet_option(1, 0, 0, {}), "0.0.0.0", 0, 1},
      {"IPv6 /56", subnet_option(2, 56, 0, {0x20, 1, 0xD, 0xB8, 0, 0, 0}), "2001:db8::", 56, 2},
      {"IPv6 /128", subnet_option(2, 128, 0, {0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}),
       "2001:db8::1", 128, 2},
      {"IPv6 /0", subnet_option(2, 0, 0, {}), "::", 0, 2},
      {"no address and no family, as stub resolvers send it that hide theirs", subnet_option(0, 0, 0, {}),
       "0.0.0.0", 0, 0},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    Query query;
    REQUIRE(parse(plain().opt(1232, false, c.option).octets(), query) == ParseResult::query);
    CHECK(query.edns.has_subnet);
    CHECK(to_text(query.edns.subnet.address) == c.address);
    CHECK(query.edns.subnet.source_prefix == c.source);
    CHECK(query.edns.subnet.family == c.family);
  }
}

TEST_CASE("Client Subnet, malformed in each way (RFC 7871, 7.1.2: FORMERR)") {
  Octets twice = subnet_option(1, 24, 0, {192, 0, 2});
  append(twice, subnet_option(1, 24, 0, {192, 0, 2}));
  const struct {
    const char* name;
    Octets option;
  } cases[] = {
      {"empty", {0, 8, 0, 0}},
      {"three octets", {0, 8, 0, 3, 0, 1, 24}},
      {"an address without a family", subnet_option(0, 24, 0, {192, 0, 2})},
      {"a prefix without a family", subnet_option(0, 24, 0, {})},
      {"octets without a family and a prefix", subnet_option(0, 0, 0, {0})},
      {"an unknown family", subnet_option(3, 24, 0, {192, 0, 2})},
      {"family 256, whose lower octet is 0", subnet_option(256, 0, 0, {})},
      {"family 257, whose lower octet is 1", subnet_option(257, 24, 0, {192, 0, 2})},
      {"IPv4 with 33 bits", subnet_option(1, 33, 0, {192, 0, 2, 0, 0})},
      {"IPv6 with 129 bits", subnet_option(2, 129, 0, Octets(17, 0))},
      {"a scope in a query", subnet_option(1, 24, 24, {192, 0, 2})},
      {"an octet too few", subnet_option(1, 24, 0, {192, 0})},
      {"an octet too many", subnet_option(1, 24, 0, {192, 0, 2, 0})},
      {"a bit behind the prefix", subnet_option(1, 23, 0, {192, 0, 3})},
      {"the last bit behind the prefix", subnet_option(2, 57, 0, {0x20, 1, 0xD, 0xB8, 0, 0, 0, 1})},
      {"an octet for no bits", subnet_option(1, 0, 0, {0})},
      {"twice", twice},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    CHECK(parse(plain().opt(1232, false, c.option).octets()) == ParseResult::malformed);
  }
}

TEST_CASE("nothing of one packet is left over in the next") {
  Query query;
  REQUIRE(parse(Message(1, 0x0100)
                    .question("a.b.c.", RrType::mx)
                    .opt(4096, true, subnet_option(1, 8, 0, {10}))
                    .octets(),
                query) == ParseResult::query);
  REQUIRE(parse(Message(2).question("d.", RrType::a).octets(), query) == ParseResult::query);
  CHECK_FALSE(query.edns.present);
  CHECK_FALSE(query.edns.dnssec_ok);
  CHECK_FALSE(query.edns.has_subnet);
  CHECK(query.edns.udp_size == 512);
  CHECK(query.name.label_count() == 1);
  CHECK(parse(Message(3).octets(), query) == ParseResult::malformed);
  CHECK(query.question_end == 0);
}

TEST_CASE("200,000 mutated queries: what is read is within the message, and so are the limits") {
  const Octets seeds[] = {
      plain().octets(),
      plain().opt().octets(),
      plain().opt(4096, true, subnet_option(1, 24, 0, {192, 0, 2})).octets(),
      plain().opt(1232, false, subnet_option(2, 56, 0, {0x20, 1, 0xD, 0xB8, 0, 0, 0})).octets(),
      plain().record({0xC0, 12}, 1, 1, 0, {192, 0, 2, 1}).opt().octets(),
      plain().opt(1232, false, {0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 3, 0, 0}).octets(),
      Message(7).opt(1232, false, {0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8}).octets(),
      Message(9, 0x2800).question("example.", RrType::soa).octets(),
  };
  std::mt19937 random(20260131);
  Query query;
  unsigned results[4] = {};
  for (unsigned i = 0; i < 200000; ++i) {
    const Octets octets = mutated(seeds[i % std::size(seeds)], random);
    const ParseResult result = parse(octets, query);
    ++results[static_cast<unsigned>(result)];
    bool fine = query.question_end <= octets.size() && query.edns.udp_size >= 512;
    if (result == ParseResult::query)
      fine =
          fine && query.question_end == 12 + query.name.wire().size() + 4 && query.name.wire().size() <= 255;
    fine = fine && query.edns.cookie.size() <= 40;
    if (query.edns.has_subnet && result == ParseResult::query)
      fine = fine && query.edns.subnet.source_prefix <= 128;
    if (!fine) CHECK_MESSAGE(fine, "mutation ", i);
  }
  for (const unsigned count : results) CHECK(count > 1000);  // the mutations reach all of them
}

}  // namespace
}  // namespace sluice::wire
