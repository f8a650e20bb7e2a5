// What one query may cost, counted in blocks of code executed: linear in what is sent and received, and
// bounded by constants where an attacker chooses what to ask.
#include <memory>
#include <random>
#include <string>

#include <doctest/doctest.h>

#include "../wire/messages.hpp"
#include "../wire/read_reply.hpp"
#include "answer/answer.hpp"
#include "blocks.hpp"

namespace sluice::cost {
namespace {

using answer::Transport;
using wire::RrType;
using wire::test::append;
using wire::test::Message;
using wire::test::name_octets;
using wire::test::Octets;

// What no query may cost, however long its name and however many zones there are; a plain one costs about
// 300.
constexpr std::uint64_t blocks_max = 50'000;

// The zone "example." with these records, and what it costs to ask it.
class Server {
 public:
  explicit Server(const std::string& records) : Server(std::vector{std::pair("example.", records)}) {}
  explicit Server(const std::vector<std::pair<const char*, std::string>>& texts) {
    std::vector<std::shared_ptr<const zone::Zone>> zones;
    for (const auto& [apex, records] : texts) {
      auto loaded = zone::load_text("$TTL 60\n@ SOA ns hm 1 2 3 4 5\n@ NS ns.elsewhere.\n" + records, "zone",
                                    wire::Name::parse(apex).value(), {});
      REQUIRE_MESSAGE(loaded.zone != nullptr, to_text(loaded.errors));
      zones.push_back(std::move(loaded.zone));
    }
    snapshot_.zones = zone::ZoneSet(std::move(zones));
    snapshot_.block = std::make_shared<steer::Block>(quiescence_, 1);
    snapshot_.pairs = std::make_shared<steer::PairTable>();
  }

  std::uint64_t cost(const Octets& query, Transport transport = Transport::udp) {
    const Quiescence::Section section(reader_);
    const std::uint64_t before = blocks();
    size_ = answer::answer(snapshot_, scratch_, {.address = {}, .transport = transport}, query, buffer_);
    const std::uint64_t spent = blocks() - before;
    REQUIRE(wire::test::reading::well_formed(reply()));
    return spent;
  }
  std::uint64_t cost(const char* name, RrType type, Transport transport = Transport::udp) {
    return cost(Message(1).question(name, type).opt(1232).octets(), transport);
  }

  wire::Bytes reply() const { return wire::Bytes(buffer_).first(size_); }
  std::size_t answers() const { return wire::test::reading::u16(reply(), 6); }
  bool truncated() const { return (buffer_[2] & 2) != 0; }

 private:
  Quiescence quiescence_;
  Quiescence::Reader reader_{quiescence_};
  Counters counters_;
  answer::Scratch scratch_{counters_.add_shard(), 1};
  answer::Snapshot snapshot_;
  Octets buffer_ = Octets(wire::message_size_max);
  std::size_t size_ = 0;
};

std::string numbered(unsigned number) { return std::to_string(number); }

TEST_CASE("blocks are counted, and always the same number") {
  Server server("a A 192.0.2.1\n");
  const std::uint64_t first = server.cost("a.example.", RrType::a);
  CHECK(server.answers() == 1);
  CHECK(first > 50);
  CHECK(first < 2'000);
  CHECK(server.cost("a.example.", RrType::a) == first);
}

TEST_CASE(
    "quadratic name compression (BIND 2023-4408): a reply of unique names costs in proportion to them") {
  std::vector<std::uint64_t> costs;
  for (const unsigned count : {250U, 500U, 1000U, 2000U}) {
    std::string text;
    for (unsigned i = 0; i < count; ++i)
      text += "a MX 1 a" + numbered(i) + ".b" + numbered(i) + ".c" + numbered(i) + ".\n";
    Server server(text);
    costs.push_back(server.cost("a.example.", RrType::mx, Transport::tcp));
    CHECK(server.answers() == count);
  }
  for (std::size_t i = 1; i < costs.size(); ++i) CHECK(costs[i] < costs[i - 1] * 25 / 10);
}

TEST_CASE("names that share all but their first label are compared in proportion to them, too") {
  std::string suffix;
  for (int i = 0; i < 100; ++i) suffix += ".l";
  std::vector<std::uint64_t> costs;
  for (const unsigned count : {75U, 150U, 300U, 600U, 1200U}) {
    std::string text;
    for (unsigned i = 0; i < count; ++i) text += "a MX 1 " + numbered(i) + suffix + ".\n";
    Server server(text);
    costs.push_back(server.cost("a.example.", RrType::mx, Transport::tcp));
    CHECK(server.answers() == count);
  }
  for (std::size_t i = 1; i < costs.size(); ++i) CHECK(costs[i] < costs[i - 1] * 25 / 10);
}

TEST_CASE("a query of 64 KiB of unique names costs in proportion to its size") {
  Server server("a A 192.0.2.1\n");
  std::vector<std::uint64_t> costs;
  for (const unsigned count : {600U, 1200U, 2400U}) {
    Message message = Message(1).question("a.example.", RrType::a);
    for (unsigned i = 0; i < count; ++i)
      message.record(name_octets("a" + numbered(i) + ".b.c."), 1, 1, 0, {1, 2, 3, 4});
    REQUIRE(message.octets().size() < 0xFFFF);
    costs.push_back(server.cost(message.octets(), Transport::tcp));
  }
  for (std::size_t i = 1; i < costs.size(); ++i) CHECK(costs[i] < costs[i - 1] * 25 / 10);
}

TEST_CASE(
    "an RRset of 5,000 records (BIND 2024-1737): over UDP it costs no more than one that is a little too "
    "large") {
  std::string few, many;
  for (unsigned i = 0; i < 4000; ++i) {
    const std::string record = "a A 10.0." + numbered(i / 250) + "." + numbered(i % 250) + "\n";
    if (i < 100) few += record;
    many += record;
  }
  Server small(few), large(many);
  const std::uint64_t expected = small.cost("a.example.", RrType::a);
  CHECK(small.truncated());
  CHECK(large.cost("a.example.", RrType::a) <= 2 * expected);
  CHECK(large.truncated());
  large.cost("a.example.", RrType::a, Transport::tcp);
  CHECK(large.answers() == 4000);
}

TEST_CASE(
    "a delegation to 1,000 servers with addresses: over UDP it costs no more than one that is a little too "
    "large") {
  std::string few, many;
  for (unsigned i = 0; i < 1000; ++i) {
    const std::string host = "ns" + numbered(i) + ".child";
    const std::string records =
        "child NS " + host + "\n" + host + " A 192.0.2.1\n" + host + " AAAA 2001:db8::1\n";
    if (i < 100) few += records;
    many += records;
  }
  Server small(few), large(many);
  const std::uint64_t expected = small.cost("x.child.example.", RrType::a);
  CHECK(small.truncated());
  CHECK(large.cost("x.child.example.", RrType::a) <= 2 * expected);
  CHECK(large.truncated());
}

TEST_CASE("500 types at a name (BIND 2024-1737): each is found for little, and so is the absence of one") {
  std::string text;
  for (unsigned i = 0; i < 500; ++i) text += "a TYPE" + numbered(1000 + i) + " \\# 1 00\n";
  Server server(text);
  for (const unsigned type : {1000U, 1250U, 1499U}) {
    CHECK(server.cost("a.example.", static_cast<RrType>(type)) < blocks_max);
    CHECK(server.answers() == 1);
  }
  CHECK(server.cost("a.example.", static_cast<RrType>(2000)) < blocks_max);
  CHECK(server.cost("a.example.", RrType::any) < blocks_max);
}

TEST_CASE(
    "1,000 targets that need addresses (BIND 2024-11187): UDP or TCP, the additional section has its cap") {
  std::string text;
  for (unsigned i = 0; i < 1000; ++i) {
    text += "a MX 1 t" + numbered(i) + "\nsrv SRV 1 1 1 t" + numbered(i) + "\n";
    text += "t" + numbered(i) + " A 192.0.2.1\nt" + numbered(i) + " AAAA 2001:db8::1\n";
  }
  Server server(text);
  std::string bare;
  for (unsigned i = 0; i < 1000; ++i)
    bare += "a MX 1 t" + numbered(i) + ".elsewhere.\nsrv SRV 1 1 1 t" + numbered(i) + ".elsewhere.\n";
  Server without(bare);
  for (const char* name : {"a.example.", "srv.example."}) {
    const RrType type = name[0] == 'a' ? RrType::mx : RrType::srv;
    CHECK(server.cost(name, type) < blocks_max);
    // The RRset itself is long; what the addresses add to it is not.
    CHECK(server.cost(name, type, Transport::tcp) <
          without.cost(name, type, Transport::tcp) + 4 * blocks_max);
    CHECK(server.answers() == 1000);
  }
}

TEST_CASE("CNAME and DNAME loops and chains (BIND 2021-25215, NSD): a capped number of links") {
  std::string text = "self CNAME self\nloop0 CNAME loop1\nloop1 CNAME loop0\n";
  for (unsigned i = 0; i < 1000; ++i) text += "c" + numbered(i) + " CNAME c" + numbered(i + 1) + "\n";
  for (unsigned i = 0; i < 1000; ++i) text += "d" + numbered(i) + " DNAME d" + numbered(i + 1) + "\n";
  text += "grow DNAME x.y.grow\nround0 DNAME round1\nround1 DNAME round0\n";
  Server server(text);
  for (const char* name : {"self.example.", "loop0.example.", "c0.example.", "x.d0.example.",
                           "a.grow.example.", "x.round0.example."})
    for (const Transport transport : {Transport::udp, Transport::tcp}) {
      CAPTURE(name);
      CHECK(server.cost(name, RrType::a, transport) < blocks_max);
      CHECK(server.answers() <= 2 * (answer::chain_max + 1));
    }
}

TEST_CASE("long names below a DNAME: what the client adds is compressed without comparing all with all") {
  Server server("under DNAME target\nround0 DNAME round1\nround1 DNAME round0\n");
  std::uint64_t highest = 0;
  for (unsigned labels = 1; labels <= 115; ++labels)
    for (const char* owner : {"under.example.", "round0.example."}) {
      Octets name;
      for (unsigned i = 0; i < labels; ++i) append(name, Octets{1, 'a'});
      append(name, name_octets(owner));
      if (name.size() > 255) continue;
      highest = std::max(highest, server.cost(Message(1).question(name, RrType::a).opt().octets()));
      CHECK(server.answers() >= 2);
    }
  CHECK(highest < blocks_max);
}

TEST_CASE("a flood of random names (CVE-2023-50868, 50387): whatever is asked, the cost has its bound") {
  std::string text = "*.wild A 192.0.2.1\n$GENERATE 1-5000 host$ A 192.0.2.1\n";
  std::string deep = "a";
  for (int i = 0; i < 110; ++i) deep += ".a";
  text += deep + " A 192.0.2.1\n";
  Server server(text);
  std::mt19937 random(50868);
  std::uint64_t highest = 0;
  for (unsigned i = 0; i < 20'000; ++i) {
    // Few long labels, or many short ones, some of them on the way to the deep name.
    Octets name;
    const std::size_t longest = 1 + random() % 63;
    while (name.size() + longest + 1 < 235) {
      const std::size_t length = 1 + random() % longest;
      name.push_back(static_cast<std::uint8_t>(length));
      for (std::size_t k = 0; k < length; ++k)
        name.push_back(static_cast<std::uint8_t>(longest < 3 ? "aA"[random() % 2] : random()));
      if (random() % 20 == 0) break;
    }
    append(name, name_octets(random() % 3 == 0 ? "wild.example." : "example."));
    highest = std::max(highest, server.cost(Message(1).question(name, RrType::a).octets()));
  }
  CHECK(highest < blocks_max);
}

TEST_CASE("zones at many depths cost a look each, at most") {
  std::vector<std::string> apexes;
  std::string apex = "example.";
  for (int i = 0; i < 100; ++i) apexes.push_back(apex = "z." + apex);
  std::vector<std::pair<const char*, std::string>> texts;
  for (const auto& name : apexes) texts.push_back({name.c_str(), ""});
  Server server(texts);
  std::string name;
  for (int i = 0; i < 120; ++i) name += "y.";
  CHECK(server.cost((name + "example.").c_str(), RrType::a) < blocks_max);
  CHECK(server.cost(("y." + apexes.back()).c_str(), RrType::a) < blocks_max);
}

}  // namespace
}  // namespace sluice::cost
