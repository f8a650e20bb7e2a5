// The reply writer, read back by ldns: what was added is what is read, however little room there is.
#include "wire/reply.hpp"

#include <algorithm>
#include <random>

#include <doctest/doctest.h>

#include "messages.hpp"
#include "read_reply.hpp"

namespace sluice::wire {
namespace {

using test::append;
using test::append_u16;
using test::Message;
using test::name_octets;
using test::Octets;
using test::read_reply;
using test::ReadRecord;
using test::ReadReply;
using test::subnet_option;

struct Record {
  Section section;
  std::string owner;  // text without escapes
  RrType type;
  std::uint32_t ttl;
  Octets rdata;
};

Octets lowered(Octets octets) {
  std::transform(octets.begin(), octets.end(), octets.begin(), lower);
  return octets;
}

std::string lowered(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return static_cast<char>(lower(static_cast<std::uint8_t>(c))); });
  return text;
}

// Letter case may be lost where a name is compressed.
bool same(const Record& added, const ReadRecord& read) {
  return lowered(added.owner) == lowered(read.owner) && static_cast<unsigned>(added.type) == read.type &&
         read.rr_class == 1 && added.ttl == read.ttl && lowered(added.rdata) == lowered(read.rdata);
}

Octets mx(unsigned preference, std::string_view exchange) {
  Octets rdata;
  append_u16(rdata, preference);
  append(rdata, name_octets(exchange));
  return rdata;
}

Octets soa(std::string_view primary, std::string_view mailbox) {
  Octets rdata = name_octets(primary);
  append(rdata, name_octets(mailbox));
  rdata.insert(rdata.end(), 20, 7);
  return rdata;
}

// One reply to a fixed query, in a buffer that ends in canaries.
class Reply {
 public:
  explicit Reply(const Octets& message, std::size_t limit = 65535, const ReplyEdns& edns = {},
                 std::uint8_t fill = 0)
      : limit_(limit), buffer_(limit + canaries, fill), edns_(edns), writer_(buffer_, limit) {
    std::fill(buffer_.begin() + static_cast<std::ptrdiff_t>(limit), buffer_.end(), 0xCA);
    REQUIRE(query_.parse(message) != ParseResult::not_answerable);
    writer_.begin(query_, message, edns_);
  }

  ReplyWriter& writer() { return writer_; }

  void add(const Record& record) {
    writer_.section(record.section);
    writer_.add(name_octets(record.owner), record.type, record.ttl, record.rdata);
  }

  // As the answer path does it: what does not fit is taken back. True when it fitted.
  bool try_to_add(const Record& record) {
    const auto mark = writer_.mark();
    add(record);
    if (!writer_.overflowed()) return true;
    writer_.rollback(mark);
    writer_.set_truncated();
    return false;
  }

  Octets finish(Rcode rcode = Rcode::noerror) {
    const std::size_t size = writer_.finish(rcode, edns_);
    REQUIRE(size <= limit_);
    REQUIRE(std::all_of(buffer_.end() - canaries, buffer_.end(),
                        [](std::uint8_t octet) { return octet == 0xCA; }));
    return {buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(size)};
  }

 private:
  static constexpr std::size_t canaries = 64;
  std::size_t limit_;
  Octets buffer_;
  ReplyEdns edns_;
  Query query_;
  ReplyWriter writer_;
};

ReadReply read(const Octets& octets) {
  const auto reply = read_reply(octets);
  REQUIRE(reply.has_value());
  return *reply;
}

Octets plain_query() { return Message(0x1234, 0x0100).question("wWw.Example.", RrType::a).octets(); }

TEST_CASE("the header: id, opcode and RD are copied, nothing else is") {
  const struct {
    const char* name;
    unsigned query_flags;
    Rcode rcode;
    unsigned reply_flags;
  } cases[] = {
      {"nothing set", 0x0000, Rcode::noerror, 0x8000},
      {"RD", 0x0100, Rcode::noerror, 0x8100},
      {"AA, TC, RA, Z, AD, CD and a code in a query", 0x06FF, Rcode::noerror, 0x8000},
      {"an opcode", 0x2000, Rcode::notimp, 0xA004},
      {"NXDOMAIN", 0x0100, Rcode::nxdomain, 0x8103},
      {"BADVERS without OPT leaves its lower bits", 0x0000, Rcode::badvers, 0x8000},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    Reply reply(Message(0xABCD, c.query_flags).question("a.", RrType::a).octets());
    const auto got = read(reply.finish(c.rcode));
    CHECK(got.id == 0xABCD);
    CHECK(got.flags == c.reply_flags);
  }
  Reply reply(plain_query());
  reply.writer().set_authoritative();
  reply.writer().set_truncated();
  CHECK(read(reply.finish()).flags == 0x8700);
}

TEST_CASE("the question comes back as it was sent, or not at all when it could not be read") {
  Reply reply(plain_query());
  const Octets octets = reply.finish();
  REQUIRE(octets.size() == 12 + 13 + 4);
  const Octets sent = plain_query();
  CHECK(std::equal(octets.begin() + 12, octets.end(), sent.begin() + 12));  // letter case included
  CHECK(read(octets).question.size() == 1);

  Reply empty(Message(1).octets());
  CHECK(read(empty.finish(Rcode::formerr)).question.empty());
}

TEST_CASE("OPT: size, DO, the upper bits of the code, the Client Subnet with its scope") {
  const Address v4{.family = Family::v4, .octets = {192, 0, 0xF0}};
  const Address v6{.family = Family::v6, .octets = {0x20, 1, 0xD, 0xB8, 1, 2, 3}};
  const struct {
    const char* name;
    ReplyEdns edns;
    Rcode rcode;
    Octets options;
  } cases[] = {
      {"plain", {.present = true, .subnet = {}}, Rcode::noerror, {}},
      {"DO", {.present = true, .dnssec_ok = true, .subnet = {}}, Rcode::noerror, {}},
      {"BADVERS", {.present = true, .subnet = {}}, Rcode::badvers, {}},
      {"IPv4 /20",
       {.present = true, .has_subnet = true, .subnet = {v4, 20, 1}, .scope_prefix = 18},
       Rcode::noerror,
       subnet_option(1, 20, 18, {192, 0, 0xF0})},
      {"IPv6 /56",
       {.present = true, .has_subnet = true, .subnet = {v6, 56, 2}, .scope_prefix = 56},
       Rcode::noerror,
       subnet_option(2, 56, 56, {0x20, 1, 0xD, 0xB8, 1, 2, 3})},
      {"no address",
       {.present = true, .has_subnet = true, .subnet = {{}, 0, 0}},
       Rcode::noerror,
       subnet_option(0, 0, 0, {})},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    Reply reply(plain_query(), 600, c.edns);
    const auto got = read(reply.finish(c.rcode));
    CHECK(got.edns);
    CHECK(got.edns_version == 0);
    CHECK(got.edns_size == 1232);
    CHECK(got.edns_do == c.edns.dnssec_ok);
    CHECK(got.rcode == static_cast<unsigned>(c.rcode));
    CHECK(got.edns_options == c.options);
  }
}

TEST_CASE("names are compressed against the question and against one another, letter case ignored") {
  const struct {
    const char* name;
    Record record;
    std::size_t size;  // what the record adds, without its ten fixed octets
  } cases[] = {
      {"the question's name", {Section::answer, "www.example.", RrType::a, 1, {1, 2, 3, 4}}, 2 + 4},
      {"its parent", {Section::answer, "EXAMPLE.", RrType::a, 1, {1, 2, 3, 4}}, 2 + 4},
      {"a sibling", {Section::answer, "ns.example.", RrType::a, 1, {1, 2, 3, 4}}, 3 + 2 + 4},
      {"no relation", {Section::answer, "example.org.", RrType::a, 1, {1, 2, 3, 4}}, 13 + 4},
      {"the root is no shorter by a pointer", {Section::answer, ".", RrType::a, 1, {1, 2, 3, 4}}, 1 + 4},
      {"a name that the question's name only ends like",
       {Section::answer, "w.example.", RrType::a, 1, {1, 2, 3, 4}},
       2 + 2 + 4},
      {"MX", {Section::answer, "www.example.", RrType::mx, 1, mx(10, "mail.example.")}, 2 + 2 + 5 + 2},
      {"NS", {Section::authority, "example.", RrType::ns, 1, name_octets("example.")}, 2 + 2},
      {"SOA, its second name pointing into its first",
       {Section::authority, "example.", RrType::soa, 1, soa("ns.other.", "mail.other.")},
       2 + 10 + 5 + 2 + 20},
      {"SRV's target is not of RFC 1035",
       {Section::answer, "www.example.", RrType::srv, 1,
        [] {
          Octets rdata(6, 0);
          append(rdata, name_octets("www.example."));
          return rdata;
        }()},
       2 + 6 + 13},
      {"DNAME's target neither",
       {Section::answer, "www.example.", RrType::dname, 1, name_octets("www.example.")},
       2 + 13},
      {"an unknown type",
       {Section::answer, "www.example.", static_cast<RrType>(65280), 1, name_octets("www.example.")},
       2 + 13},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    Reply reply(plain_query());
    reply.add(c.record);
    const Octets octets = reply.finish();
    CHECK(octets.size() == 29 + 10 + c.size);
    const auto got = read(octets);
    const auto& section = got.sections[static_cast<std::size_t>(c.record.section)];
    REQUIRE(section.size() == 1);
    CHECK(same(c.record, section[0]));
  }
}

TEST_CASE("add_at and add_ready use a name that stands in the reply, such as a CNAME's target") {
  Reply reply(plain_query());
  auto& writer = reply.writer();
  writer.section(Section::answer);
  writer.add_at(12, RrType::cname, 30, name_octets("target.example."));
  // Two records as the steer block has them: owner and TTL are still to be set.
  const Octets ready = {0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1,
                        0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 2};
  writer.add_ready(writer.last_rdata_offset(), 0x01020304, ready, 16, 2);
  const auto got = read(reply.finish());
  REQUIRE(got.sections[0].size() == 3);
  CHECK(lowered(got.sections[0][0].rdata_text) == "target.example.");
  for (unsigned i = 1; i <= 2; ++i) {
    CHECK(lowered(got.sections[0][i].owner) == "target.example.");
    CHECK(got.sections[0][i].ttl == 0x01020304);
    CHECK(got.sections[0][i].rdata == Octets{192, 0, 2, static_cast<std::uint8_t>(i)});
  }
}

TEST_CASE("what is rolled back leaves no trace, neither in the octets nor in what later names point to") {
  const Record kept{Section::answer, "www.example.", RrType::mx, 5, mx(1, "mail.example.")};
  const Record dropped{Section::answer, "new.name.org.", RrType::mx, 5, mx(2, "mail.name.org.")};
  const Record last{Section::authority, "name.org.", RrType::ns, 5, name_octets("ns.name.org.")};

  Reply without(plain_query());
  without.add(kept);
  without.add(last);
  Reply with(plain_query());
  with.add(kept);
  const auto mark = with.writer().mark();
  with.add(dropped);
  CHECK(with.writer().count(Section::answer) == 2);
  with.writer().rollback(mark);
  CHECK(with.writer().count(Section::answer) == 1);
  with.add(last);
  CHECK(with.finish() == without.finish());
}

TEST_CASE("records that are taken back again and again do not use up the names that are remembered") {
  const Record kept{Section::answer, "a.name.org.", RrType::a, 5, {1, 2, 3, 4}};
  const Record again{Section::answer, "a.name.org.", RrType::a, 5, {1, 2, 3, 5}};
  Reply reply(plain_query());
  for (unsigned i = 0; i < 100; ++i) {
    const auto mark = reply.writer().mark();
    reply.add({Section::answer, "dropped" + std::to_string(i) + ".test.", RrType::a, 5, {}});
    reply.writer().rollback(mark);
  }
  reply.add({Section::answer,
             "www.example.",
             RrType::a,
             5,
             {1, 2, 3, 4}});  // so that nothing stands where it stood
  reply.add(kept);
  reply.add(again);
  CHECK(reply.finish().size() == 29 + 16 + 12 + 14 + 2 + 14);
}

const std::vector<Record>& varied_records() {
  static const std::vector<Record> records = {
      {Section::answer, "www.example.", RrType::cname, 60, name_octets("a.very.deep.name.example.")},
      {Section::answer, "a.very.deep.name.example.", RrType::mx, 60, mx(10, "mail.example.")},
      {Section::answer, "a.very.deep.name.example.", RrType::mx, 60, mx(20, "mail2.deep.name.example.")},
      {Section::answer, "a.very.deep.name.example.", RrType::txt, 60, Octets(51, 50)},
      {Section::authority, "example.", RrType::soa, 60, soa("ns1.example.", "hostmaster.example.org.")},
      {Section::authority, "name.example.", RrType::ns, 60, name_octets("ns2.name.example.")},
      {Section::additional, "ns2.name.example.", RrType::aaaa, 60, Octets(16, 1)},
      {Section::additional, "ns1.example.", static_cast<RrType>(4711), 60, {}},
      {Section::additional, "mail.example.", RrType::a, 60, Octets(4, 1)},
      {Section::additional, "x.", RrType::txt, 60, Octets(201, 200)},
  };
  return records;
}

TEST_CASE("at every limit: nothing behind it, whole records only, and every octet was written") {
  const ReplyEdns none{.subnet = {}}, plain{.present = true, .subnet = {}},
      subnet{.present = true, .has_subnet = true, .subnet = {{.family = Family::v4, .octets = {10}}, 8, 1}};
  for (const auto& edns : {none, plain, subnet}) {
    for (std::size_t limit = 12; limit <= 600; ++limit) {
      CAPTURE(limit);
      Octets outcomes[2];
      std::vector<const Record*> fitted;
      for (unsigned round = 0; round < 2; ++round) {
        fitted.clear();
        Reply reply(plain_query(), limit, edns, round == 0 ? 0x00 : 0xFF);
        for (const auto& record : varied_records())
          if (reply.try_to_add(record)) fitted.push_back(&record);
        outcomes[round] = reply.finish();
      }
      REQUIRE(outcomes[0] == outcomes[1]);
      const auto got = read(outcomes[0]);
      std::size_t next = 0;
      for (const auto& section : got.sections)
        for (const auto& record : section) REQUIRE(same(*fitted.at(next++), record));
      REQUIRE(next == fitted.size());
      REQUIRE(((got.flags & flag_tc) != 0) == (fitted.size() < varied_records().size() || limit < 29));
      if (limit >= 29 + 23) REQUIRE(got.edns == edns.present);
    }
  }
}

TEST_CASE("more names than are remembered, and names beyond the reach of pointers") {
  Reply reply(plain_query());
  std::vector<Record> records;
  for (unsigned i = 0; i < 1000; ++i) {
    const auto number = std::to_string(i % 700);  // some come back when no pointer can reach them any more
    records.push_back({Section::answer, "host" + number + ".of.a.zone" + number + ".example.", RrType::mx, i,
                       mx(i, "mail" + number + ".zone" + number + ".example.")});
    REQUIRE(reply.try_to_add(records.back()));
  }
  const Octets octets = reply.finish();
  CHECK(octets.size() > 3 * 16384);
  const auto got = read(octets);
  REQUIRE(got.sections[0].size() == records.size());
  for (std::size_t i = 0; i < records.size(); ++i) REQUIRE(same(records[i], got.sections[0][i]));
}

TEST_CASE("a name that stands just within, or beyond, the reach of pointers") {
  constexpr auto unknown = static_cast<RrType>(65280);
  for (std::size_t padding = 0; padding < 40; ++padding) {
    CAPTURE(padding);
    Reply reply(plain_query());
    std::vector<Record> records;
    auto add = [&](Record record) {
      records.push_back(std::move(record));
      REQUIRE(reply.try_to_add(records.back()));
    };
    // 29 octets of header and question, and 63 times 259: 16,346, of which a few are still to go to 16,384.
    for (unsigned i = 0; i < 63; ++i) add({Section::answer, "www.example.", unknown, i, Octets(247, 1)});
    add({Section::answer, "www.example.", unknown, 99, Octets(padding, 1)});
    for (unsigned i = 0; i < 3; ++i)
      add({Section::answer, "a.far.test.", RrType::mx, i, mx(i, "b.far.test.")});
    const auto got = read(reply.finish());
    REQUIRE(got.sections[0].size() == records.size());
    for (std::size_t i = 0; i < records.size(); ++i) REQUIRE(same(records[i], got.sections[0][i]));
  }
}

// How many pointers a reader follows for the name at `offset`.
unsigned pointers_at(const Octets& octets, std::size_t offset) {
  for (unsigned count = 0;;) {
    const std::uint8_t length = octets[offset];
    if (length == 0) return count;
    if (length >= 0xC0) {
      offset = (length & 0x3FU) << 8 | octets[offset + 1];
      ++count;
    } else {
      offset += 1U + length;
    }
  }
}

TEST_CASE("a chain of names that grow: no reader has to follow more than ten pointers") {
  Reply reply(Message(1).question("a.grow.example.", RrType::a).octets());
  std::string target = "grow.example.";
  std::size_t owner = header_size;
  unsigned most = 0;
  std::vector<std::size_t> names;
  for (unsigned i = 0; i < 40; ++i) {
    target = "x.y." + target;
    reply.writer().add_at(static_cast<std::uint16_t>(owner), RrType::cname, 60, name_octets("a." + target));
    owner = reply.writer().last_rdata_offset();
    names.push_back(owner);
  }
  const Octets octets = reply.finish();
  for (const std::size_t name : names)
    most = std::max(most, pointers_at(octets, name) + 1);  // the owner's own, too
  CHECK(most <= 10);
  CHECK(most > 5);  // and names are compressed all the same
  const auto got = read(octets);
  REQUIRE(got.sections[0].size() == 40);
  CHECK(got.sections[0].back().rdata == name_octets("a." + target));
}

TEST_CASE("a whole TCP message: filled to the last record that fits") {
  Reply reply(plain_query());
  unsigned count = 0;
  while (reply.try_to_add({Section::answer, "www.example.", RrType::a, 1, {1, 2, 3, 4}})) ++count;
  CHECK(count == (65535 - 29) / 16);
  CHECK(read(reply.finish()).sections[0].size() == count);
}

TEST_CASE("random names of few labels, which share all kinds of suffixes") {
  std::mt19937 random(4034);
  auto name = [&] {
    std::string text;
    for (auto labels = random() % 5; labels > 0; --labels)
      text += std::string(1 + random() % 2, "abAB"[random() % 4]) + ".";
    return text.empty() ? "." : text;
  };
  auto record = [&](Section section) -> Record {
    const auto owner = name();
    switch (random() % 5) {
      case 0:
        return {section, owner, RrType::ns, 1, name_octets(name())};
      case 1:
        return {section, owner, RrType::mx, 2, mx(3, name())};
      case 2:
        return {section, owner, RrType::soa, 3, soa(name(), name())};
      case 3:
        return {section, owner, RrType::cname, 4, name_octets(name())};
      default:
        return {section, owner, RrType::a, 5, {1, 2, 3, 4}};
    }
  };
  for (unsigned round = 0; round < 2000; ++round) {
    CAPTURE(round);
    Reply reply(Message(1).question(name(), RrType::a).octets(), 40 + random() % 1000);
    std::vector<Record> fitted;
    for (const auto section : {Section::answer, Section::authority, Section::additional})
      for (auto count = random() % 12; count > 0; --count) {
        const Record next = record(section);
        if (reply.try_to_add(next)) fitted.push_back(next);
      }
    const auto got = read(reply.finish());
    std::size_t at = 0;
    for (const auto& section : got.sections)
      for (const auto& read_back : section) REQUIRE(same(fitted.at(at++), read_back));
    REQUIRE(at == fitted.size());
  }
}

}  // namespace
}  // namespace sluice::wire
