// Zone transfers: who gets one, and that the messages are the zone, each record once.
#include "answer/transfer.hpp"

#include <map>
#include <set>

#include "world.hpp"

namespace sluice::answer::test {
namespace {

using wire::Rcode;
using wire::test::ReadReply;

constexpr Moment now{.unix_seconds = 1'700'000'000, .steady_us = 0};
const Octets secret = {1, 2, 3, 4, 5, 6, 7, 8};

Client client_at(const char* address, Transport transport = Transport::tcp) {
  return {.address = address_of(address), .transport = transport};
}

config::TransferRule rule(const char* prefix, const char* key) {
  config::TransferRule made;
  if (*prefix != '\0') made.address = parse_prefix(prefix).value();
  if (*key != '\0') made.key = wire::Name::parse(key).value();
  return made;
}

// Lives on: sessions borrow it.
const tsig::Key& key_named(const std::string& name) {
  static std::map<std::string, tsig::Key> keys;
  const tsig::Key key(wire::Name::parse(name).value(), wire::TsigAlgorithm::hmac_sha256, secret);
  return keys.try_emplace(name, key).first->second;
}

// The SOA that an IXFR query carries.
Octets soa_rdata(std::uint32_t serial) {
  Octets rdata = {0, 0};
  for (int i = 0; i < 5; ++i) {
    const std::uint32_t number = i == 0 ? serial : 1;
    for (int shift = 24; shift >= 0; shift -= 8) rdata.push_back(static_cast<std::uint8_t>(number >> shift));
  }
  return rdata;
}

Octets ixfr(std::uint32_t serial) {
  return Message(9)
      .question("example.", RrType::ixfr)
      .record({0xC0, 12}, 6, 1, 0, soa_rdata(serial), 8)
      .octets();
}

Octets axfr(const char* name = "example.") { return Message(9).question(name, RrType::axfr).octets(); }

Octets sign(Octets query, const char* key, tsig::Session& session) {
  const std::size_t size = query.size();
  query.resize(size + 500);
  query.resize(session.sign_request(key_named(key), query, size, now.unix_seconds));
  return query;
}

Octets sign(Octets query, const char* key) {
  tsig::Session session;
  return sign(std::move(query), key, session);
}

// A world that can be transferred.
class Served : public World {
 public:
  Served() {
    scratch.now = now;
    std::vector<tsig::Key> keys = {key_named("xfr."), key_named("both."), key_named("other.")};
    snapshot.keys = tsig::Keyring(std::move(keys));
    snapshot.transfers[snapshot.zones.zones()[0].get()] = {rule("192.0.2.0/24", ""), rule("", "xfr"),
                                                           rule("198.51.100.7/32", "both")};
  }

  // All messages; none when there is no transfer.
  std::vector<Octets> transfer(const Octets& query, const Client& client = client_at("192.0.2.9")) {
    std::vector<Octets> messages;
    if (!ask(query, client).empty() || scratch.transfer == nullptr) return messages;
    Transfer transfer(std::make_shared<const Snapshot>(snapshot), scratch, query);
    Octets buffer(wire::message_size_max);
    while (const std::size_t size = within([&] { return transfer.next(buffer, now); }))
      messages.emplace_back(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK(transfer.finished());
    return messages;
  }

  // The records as text, without the SOA at both ends; how often each occurs.
  std::multiset<std::string> records(const std::vector<Octets>& messages) {
    std::vector<std::string> texts;
    for (const auto& message : messages) {
      const auto reply = wire::test::read_reply(message);
      REQUIRE(reply);
      CHECK(reply->rcode == 0);
      CHECK((reply->flags & 0x8400) == 0x8400);
      CHECK(reply->sections[1].empty());
      for (const auto& record : reply->sections[0])
        texts.push_back(record.owner + " " + std::to_string(record.ttl) + " " + std::to_string(record.type) +
                        " " + record.rdata_text);
    }
    REQUIRE(texts.size() >= 2);
    CHECK(texts.front() == texts.back());
    CHECK(texts.front().find(" 6 ns.example. hostmaster.example. 1 ") != std::string::npos);
    return {texts.begin() + 1, texts.end() - 1};
  }

  Rcode rcode(const Octets& query, const Client& client) {
    const auto reply = wire::test::read_reply(ask(query, client));
    REQUIRE(reply);
    return static_cast<Rcode>(reply->rcode);
  }
};

}  // namespace

TEST_CASE("who may transfer a zone") {
  const struct {
    const char* name;
    const char* address;
    const char* key;  // empty: not signed
    bool allowed;
  } cases[] = {
      {"by its address", "192.0.2.200", "", true},
      {"from elsewhere", "198.51.100.1", "", false},
      {"over IPv6, from elsewhere", "2001:db8::1", "", false},
      {"from elsewhere with the key", "198.51.100.1", "xfr", true},
      {"with another key", "198.51.100.1", "other", false},
      {"by its address, with a key that is not needed", "192.0.2.200", "other", true},
      {"an address that needs a key, without", "198.51.100.7", "", false},
      {"an address that needs a key, with it", "198.51.100.7", "both", true},
      {"a key that needs an address, from elsewhere", "198.51.100.8", "both", false},
  };
  Served world;
  for (const auto& each : cases) {
    CAPTURE(each.name);
    const auto query = *each.key == '\0' ? axfr() : sign(axfr(), each.key);
    const auto reply = world.ask(query, client_at(each.address));
    CHECK((world.scratch.transfer != nullptr) == each.allowed);
    CHECK(reply.empty() == each.allowed);
    if (!each.allowed) CHECK(world.rcode(query, client_at(each.address)) == Rcode::refused);
  }
}

TEST_CASE("what a query for a transfer comes to") {
  Served world;
  const auto here = client_at("192.0.2.9"), datagram = client_at("192.0.2.9", Transport::udp);
  CHECK(world.rcode(axfr("www.example."), here) == Rcode::notauth);
  CHECK(world.rcode(axfr("elsewhere.test."), here) == Rcode::notauth);
  CHECK(world.rcode(axfr(), datagram) == Rcode::notimp);
  CHECK(world.rcode(Message(1).question("example.", RrType::ixfr).octets(), here) == Rcode::formerr);
  const auto no_soa =
      Message(1).question("example.", RrType::ixfr).record({0xC0, 12}, 1, 1, 0, {1, 2, 3, 4}, 8).octets();
  CHECK(world.rcode(no_soa, here) == Rcode::formerr);
  world.scratch.transfers_full = true;
  CHECK(world.rcode(axfr(), here) == Rcode::servfail);
  CHECK(world.rcode(ixfr(1), here) == Rcode::noerror);
}

TEST_CASE("IXFR: the zone, or the SOA when the client has it or asks in a datagram (RFC 1995)") {
  Served world;
  const auto here = client_at("192.0.2.9"), datagram = client_at("192.0.2.9", Transport::udp);
  const auto soa_alone = [&](const Octets& query, const Client& client) {
    const auto reply = wire::test::read_reply(world.ask(query, client));
    REQUIRE(reply);
    CHECK(reply->rcode == 0);
    return reply->sections[0].size() == 1 && reply->sections[0][0].type == 6;
  };
  CHECK(soa_alone(ixfr(1), here));
  CHECK(soa_alone(ixfr(2), here));  // newer than ours
  CHECK(soa_alone(ixfr(0), datagram));
  for (const std::uint32_t older : {0U, 0xFFFFFFFFU, 0x80000010U})
    CHECK(world.records(world.transfer(ixfr(older))) == world.records(world.transfer(axfr())));
  CHECK(world.rcode(ixfr(0), client_at("203.0.113.1", Transport::udp)) == Rcode::refused);
}

TEST_CASE("all records of the zone, each once; steered names as they are answered") {
  Served world;
  const auto records = world.records(world.transfer(axfr()));
  CHECK(std::set<std::string>(records.begin(), records.end()).size() == records.size());
  const char* some[] = {"example. 3600 2 ns.example.",
                        "*.wild.example. 3600 16 \"w\"",
                        "under.example. 3600 39 wild.example.",
                        "ns7.child.example. 3600 1 192.0.2.7",
                        "ns7.child.example. 3600 28 2001:db8::7",
                        "child.example. 3600 2 ns7.child.example.",
                        "www.example. 30 1 192.0.2.1",
                        "www.example. 30 1 192.0.2.2",
                        "www.example. 30 28 2001:db8::1",
                        "*.app.example. 30 1 192.0.2.1",
                        "four.example. 30 1 192.0.2.4",
                        "many.example. 30 1 10.0.0.70",
                        "cdn.example. 30 5 spare.cdn.test.",
                        "*.hosts.example. 30 5 sticky.example."};
  for (const auto* record : some) CHECK_MESSAGE(records.contains(record), record);
  // Zone file: 9 single records, 3 and 8 long ones, 29 servers with 3 each, less the SOA. Steered: www,
  // sticky and other 4 each, *.app 2, many 110, four 1, and 4 that lead to hosts one CNAME each.
  CHECK(records.size() == 10 + 3 + 8 + 87 + 125 + 4);
}

TEST_CASE("a steered name in a transfer: only what may be answered now") {
  Served world;
  world.set_weights(1, 0);
  auto records = world.records(world.transfer(axfr()));
  CHECK(records.contains("www.example. 30 1 192.0.2.1"));
  CHECK_FALSE(records.contains("www.example. 30 1 192.0.2.2"));
}

TEST_CASE("the messages of a signed transfer are signed, each after the one before") {
  Served world;
  tsig::Session session;
  const auto query = sign(axfr(), "xfr", session);
  const auto messages = world.transfer(query, client_at("203.0.113.1"));
  REQUIRE(messages.size() >= 1);
  CHECK(session.verify_reply(messages[0], now.unix_seconds));
  auto signed_records = world.records(messages);
  CHECK(signed_records == world.records(world.transfer(axfr())));
}

TEST_CASE("a signed query gets a signed reply, whatever it asks") {
  Served world;
  for (const RrType type : {RrType::a, RrType::soa, RrType::any, RrType::axfr}) {
    for (const auto transport : {Transport::udp, Transport::tcp}) {
      tsig::Session session;
      const auto query = sign(Message(3).question("huge.example.", type).octets(), "other", session);
      const auto reply = world.ask(query, client_at("203.0.113.1", transport));
      CHECK(session.verify_reply(reply, now.unix_seconds));
      CHECK(reply.size() <= (transport == Transport::udp ? 512 : 65535));
    }
  }
}

TEST_CASE("a query whose signature does not hold is NOTAUTH, and not answered") {
  Served world;
  const auto good = sign(Message(3).question("host.example.", RrType::a).octets(), "other");
  auto bad = good;
  bad[20] ^= 0x20;  // a letter's case: the hash sees it
  const auto unknown = sign(Message(3).question("host.example.", RrType::a).octets(), "nobody");
  for (const auto& query : {bad, unknown}) {
    const auto reply = wire::test::read_reply(world.ask(query, client_at("192.0.2.9")));
    REQUIRE(reply);
    CHECK(reply->rcode == 9);
    CHECK(reply->sections[0].empty());
  }
  world.scratch.now.unix_seconds += 301;
  CHECK(world.rcode(good, client_at("192.0.2.9")) == Rcode::notauth);
  CHECK(world.counters.value(Metric::tsig_failures) == 3);
  // The key may not do what its address may, when its signature does not hold.
  world.ask(sign(axfr(), "nobody"), client_at("192.0.2.9"));
  CHECK(world.scratch.transfer == nullptr);
}

TEST_CASE("keys and algorithms with the longest of names get an answer that fits a datagram") {
  Served world;
  const std::string label(63, 'k');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'k') + ".";
  const auto name = wire::test::name_octets(longest);
  Octets rdata = name;
  rdata.insert(rdata.end(), 16, 0);
  const auto query =
      Message(1).question("host.example.", RrType::a).record(name, 250, 255, 0, rdata).octets();
  const auto reply = world.ask(query, client_at("192.0.2.9", Transport::udp));
  CHECK(reply.size() <= 512);
  CHECK(world.rcode(query, client_at("192.0.2.9", Transport::udp)) == Rcode::notauth);
}

TEST_CASE("a big zone: messages of bounded size, every record") {
  const auto apex = wire::Name::parse("example.").value();
  std::string text = "$TTL 3600\n@ SOA ns hostmaster 1 7200 900 1209600 300\n@ NS ns\nns A 192.0.2.53\n";
  for (int i = 0; i < 20'000; ++i) text += "h" + std::to_string(i) + " A 192.0.2.1\n";
  for (int i = 0; i < 300; ++i) text += "wide TXT \"" + std::string(200, 'x') + std::to_string(i) + "\"\n";
  // One record that no usual message holds.
  text += "long TXT";
  for (int i = 0; i < 150; ++i) text += " \"" + std::string(255, 'y') + "\"";
  auto loaded = zone::load_text(text + "\n", "example.zone", apex, {});
  REQUIRE_MESSAGE(loaded.zone != nullptr, to_text(loaded.errors));
  Served world;
  world.snapshot.zones = zone::ZoneSet({loaded.zone});
  world.snapshot.transfers[loaded.zone.get()] = {rule("192.0.2.0/24", "")};
  const auto messages = world.transfer(axfr());
  CHECK(world.records(messages).size() == 20'302 + 1);
  CHECK(std::count_if(messages.begin(), messages.end(),
                      [](const Octets& message) { return message.size() >= 16384; }) == 1);
  // A name of its own compresses to its label and a pointer: 6 + 2 octets and the fixed 14.
  std::size_t octets = 0;
  for (const auto& message : messages) octets += message.size();
  CHECK(octets < 20'000 * 24 + 300 * 220 + 40'000);
}

}  // namespace sluice::answer::test
