// Verifying and signing, against what dnspython makes of the same key, messages and time.
#include "tsig/tsig.hpp"

#include <algorithm>
#include <string>

#include <doctest/doctest.h>

#include "../wire/messages.hpp"
#include "wire/query.hpp"

namespace sluice::tsig {
namespace {

using wire::RrType;
using wire::test::append;
using wire::test::append_u16;
using wire::test::Message;
using wire::test::name_octets;
using wire::test::Octets;

constexpr std::uint64_t now = 1'700'000'000;
constexpr std::size_t question_end = 25;  // of a question for "example."

Octets secret() {
  Octets octets(32);
  for (std::size_t i = 0; i < octets.size(); ++i) octets[i] = static_cast<std::uint8_t>(i);
  return octets;
}

Key key_named(const char* name, TsigAlgorithm algorithm = TsigAlgorithm::hmac_sha256,
              const Octets& with = secret()) {
  return {wire::Name::parse(name).value(), algorithm, with};
}

Octets from_hex(std::string_view text) {
  Octets octets;
  for (std::size_t i = 0; i < text.size(); i += 2)
    octets.push_back(static_cast<std::uint8_t>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  return octets;
}

struct Vector {
  TsigAlgorithm algorithm;
  const char* wire_name;
  const char* request_mac;
  const char* reply_mac;
};

// dnspython 2.3: a query for "example. SOA" with id 0x1234, and a reply with QR set and no records.
constexpr Vector vectors[] = {
    {TsigAlgorithm::hmac_sha256, "hmac-sha256",
     "ca79ba18c689b66629b568593aa2b63d1b144e19ffdff6256fa45f6edd9e49f1",
     "3559d89d911e795b7cbb51acf8dbe1e0e9d531554337888eb71b871db060319f"},
    {TsigAlgorithm::hmac_sha1, "hmac-sha1", "bde6481e14d07cce7a0c6a092af011aa29820fcc",
     "52050b614e37edb7d624fabb8c4e9f4a50b8b378"},
    {TsigAlgorithm::hmac_sha224, "hmac-sha224", "950e0c418087dd77aa337b753f1682a3d1db881d69363c9fc8475ea3",
     "05c8cdebe1c859341337ab2c3d30849c2598e1cec217daae5efaaf8e"},
    {TsigAlgorithm::hmac_sha384, "hmac-sha384",
     "bfaec03a5a3f1f7d033d71c26127d1d5abc695ee96cc67ba84b77944a86f1d454dcfc3df14acc28e9d26de912aba4313",
     "780ddbeea617d7ca3d4ee1fcf711648f25ec4596f9b066dedbe336421ec764425c61341180cd6e390c5263249a839b92"},
    {TsigAlgorithm::hmac_sha512, "hmac-sha512",
     "8f662c5de59cd7b722b93ae2a3fb46b72eac43dfdcf2871ae677265455f1e385"
     "4ac17ce790e712f4e2aa8578c2d852977ed2d2507167fcd86ef2d63479bd3751",
     "b862f28ebe8ba85f9af35e25379698aa2657d724ff60a2abfa736c03723dac60"
     "1b2fc02c2422da82ab4c281646a3ee338e0030566d137d674de9d278d8cfebae"},
};

// What may be said in a TSIG record, right or wrong.
struct Fields {
  Octets owner = name_octets("xfr.example");
  Octets algorithm = name_octets("hmac-sha256");
  unsigned rr_class = 255, ttl = 0;
  std::uint64_t time = now;
  unsigned fudge = 300;
  Octets mac = from_hex(vectors[0].request_mac);
  unsigned original_id = 0x1234;
  Octets other{};
  unsigned other_size_more = 0;  // than there is
};

Octets rdata_of(const Fields& fields) {
  Octets rdata = fields.algorithm;
  for (int shift = 40; shift >= 0; shift -= 8)
    rdata.push_back(static_cast<std::uint8_t>(fields.time >> shift));
  append_u16(rdata, fields.fudge);
  append_u16(rdata, static_cast<unsigned>(fields.mac.size()));
  append(rdata, fields.mac);
  append_u16(rdata, fields.original_id);
  append_u16(rdata, 0);
  append_u16(rdata, static_cast<unsigned>(fields.other.size()) + fields.other_size_more);
  append(rdata, fields.other);
  return rdata;
}

Octets request_with(const Fields& fields) {
  return Message(0x1234)
      .question("example", RrType::soa)
      .record(fields.owner, 250, fields.rr_class, fields.ttl, rdata_of(fields))
      .octets();
}

Octets with_mac(const char* hex) { return from_hex(hex); }

Verdict verify(Session& session, const Octets& request, std::uint64_t at_time = now,
               std::size_t at = question_end) {
  static const Keyring keys({key_named("other.example."), key_named("xfr.example."), key_named("a.")});
  return session.verify(keys, request, at, at_time);
}

std::size_t tsig_at(const Octets& message) {
  wire::Query query;
  REQUIRE(query.parse(message) == wire::ParseResult::query);
  return query.tsig_at;
}

Octets signed_by(Session& session, Octets message, std::uint64_t at_time = now) {
  const std::size_t size = message.size();
  message.resize(size + 1000);
  message.resize(session.sign(message, size, at_time));
  return message;
}

Octets reply() { return Message(0x1234, 0x8000).question("example", RrType::soa).octets(); }

}  // namespace

TEST_CASE("requests and replies are signed as by another implementation") {
  for (const auto& vector : vectors) {
    CAPTURE(vector.wire_name);
    const Keyring keys({key_named("xfr.example.", vector.algorithm)});
    Session session;
    const auto request =
        request_with({.algorithm = name_octets(vector.wire_name), .mac = with_mac(vector.request_mac)});
    REQUIRE(tsig_at(request) == question_end);
    CHECK(session.verify(keys, request, question_end, now) == Verdict::valid);
    REQUIRE(session.key() != nullptr);
    CHECK(session.key()->name().text() == "xfr.example.");
    const std::size_t room = session.record_size();
    const auto answer = signed_by(session, reply());
    CHECK(answer.size() == reply().size() + room);
    const auto wanted = with_mac(vector.reply_mac);
    CHECK(std::search(answer.begin(), answer.end(), wanted.begin(), wanted.end()) != answer.end());
    CHECK(answer[11] == 1);
  }
}

TEST_CASE("our own requests carry the same MAC") {
  for (const auto& vector : vectors) {
    Session session;
    auto message = Message(0x1234).question("example", RrType::soa).octets();
    const std::size_t size = message.size();
    message.resize(512);
    message.resize(session.sign_request(key_named("xfr.example.", vector.algorithm), message, size, now));
    const auto wanted = with_mac(vector.request_mac);
    CHECK(std::search(message.begin(), message.end(), wanted.begin(), wanted.end()) != message.end());
  }
}

TEST_CASE("owner and algorithm may be compressed, and in any case") {
  Session session;
  Octets owner = {3, 'X', 'f', 'R', 0xC0, 12};
  CHECK(verify(session, request_with({.owner = owner})) == Verdict::valid);
  CHECK(verify(session, request_with({.algorithm = name_octets("HMAC-sha256")})) == Verdict::valid);
  // The algorithm's name stands in the question, and the record points there.
  const auto question = name_octets("hmac-sha256");
  const auto request =
      Message(0x1234)
          .question(question, RrType::soa)
          .record(name_octets("xfr.example"), 250, 255, 0, rdata_of({.algorithm = {0xC0, 12}}))
          .octets();
  CHECK(verify(session, request, now, tsig_at(request)) ==
        Verdict::failed);  // read, and the MAC is another's
  CHECK(session.error() == Error::badsig);
}

TEST_CASE("a forwarder's other id does not matter") {
  auto request = request_with({});
  request[0] = 0x77;
  Session session;
  CHECK(verify(session, request) == Verdict::valid);
}

TEST_CASE("what is wrong is said as RFC 8945, 5.2 wants it") {
  const auto mac = from_hex(vectors[0].request_mac);
  auto other_mac = mac;
  other_mac[3] ^= 1;
  const auto first = [](const Octets& octets, std::size_t size) {
    return Octets(octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(size));
  };
  auto longer = mac;
  longer.push_back(0);
  const struct {
    const char* name;
    Fields fields;
    std::uint64_t time = now;
    Verdict verdict;
    Error error = Error::none;
  } cases[] = {
      {"a key that we do not have", {.owner = name_octets("nobody")}, now, Verdict::failed, Error::badkey},
      {"another algorithm", {.algorithm = name_octets("hmac-sha1")}, now, Verdict::failed, Error::badkey},
      {"MD5", {.algorithm = name_octets("hmac-md5.sig-alg.reg.int")}, now, Verdict::failed, Error::badkey},
      {"another MAC", {.mac = other_mac}, now, Verdict::failed, Error::badsig},
      {"another key of ours", {.owner = name_octets("other.example")}, now, Verdict::failed, Error::badsig},
      {"another fudge", {.fudge = 301}, now, Verdict::failed, Error::badsig},
      {"another id", {.original_id = 0x1235}, now, Verdict::failed, Error::badsig},
      {"other data that was not signed", {.other = {1}}, now, Verdict::failed, Error::badsig},
      {"as late as may be", {}, now + 300, Verdict::valid},
      {"too late", {}, now + 301, Verdict::failed, Error::badtime},
      {"as early as may be", {}, now - 300, Verdict::valid},
      {"too early", {}, now - 301, Verdict::failed, Error::badtime},
      {"a part of the MAC", {.mac = first(mac, 16)}, now, Verdict::failed, Error::badtrunc},
      {"a part of the MAC, too late", {.mac = first(mac, 16)}, now + 301, Verdict::failed, Error::badtime},
      {"a part of another MAC", {.mac = first(other_mac, 16)}, now, Verdict::failed, Error::badsig},
      {"less than half of the MAC", {.mac = first(mac, 15)}, now, Verdict::malformed},
      {"no MAC", {.mac = {}}, now, Verdict::malformed},
      {"more than the MAC", {.mac = longer}, now, Verdict::malformed},
      {"class IN", {.rr_class = 1}, now, Verdict::malformed},
      {"a TTL", {.ttl = 1}, now, Verdict::malformed},
      {"other data without an end", {.other_size_more = 1}, now, Verdict::malformed},
      {"a name that points to itself", {.owner = {0xC0, question_end}}, now, Verdict::malformed},
      {"a name that points forward", {.owner = {0xC0, 0x40}}, now, Verdict::malformed},
      {"a name that points into the header", {.owner = {0xC0, 4}}, now, Verdict::malformed},
  };
  for (const auto& each : cases) {
    CAPTURE(each.name);
    Session session;
    CHECK(verify(session, request_with(each.fields), each.time) == each.verdict);
    if (each.verdict == Verdict::failed) CHECK(session.error() == each.error);
    CHECK((session.key() != nullptr) == (each.verdict == Verdict::valid));
  }
}

TEST_CASE("half of the shortest MACs is too little: ten octets at least") {
  const Keyring keys({key_named("xfr.example.", TsigAlgorithm::hmac_sha1)});
  const auto mac = from_hex(vectors[1].request_mac);
  for (const std::size_t size : {9U, 10U, 19U, 20U, 21U}) {
    auto part = mac;
    part.resize(size);
    Session session;
    const auto verdict = session.verify(
        keys, request_with({.algorithm = name_octets("hmac-sha1"), .mac = part}), question_end, now);
    CHECK(verdict == (size < 10 || size > 20 ? Verdict::malformed
                      : size < 20            ? Verdict::failed
                                             : Verdict::valid));
  }
}

TEST_CASE("an error's reply: signed but for BADKEY and BADSIG (RFC 8945, 5.3.2)") {
  const struct {
    Error error;
    Fields fields;
    std::uint64_t time;
    std::size_t mac_size, other_size;
  } cases[] = {
      {Error::badkey, {.owner = name_octets("nobody")}, now, 0, 0},
      {Error::badsig, {.original_id = 7}, now, 0, 0},
      {Error::badtime, {}, now + 1000, 32, 6},
      {Error::badtrunc, {.mac = with_mac("ca79ba18c689b66629b568593aa2b63d")}, now, 32, 0},
  };
  for (const auto& each : cases) {
    CAPTURE(static_cast<unsigned>(each.error));
    Session session;
    REQUIRE(verify(session, request_with(each.fields), each.time) == Verdict::failed);
    REQUIRE(session.error() == each.error);
    const std::size_t room = session.record_size();
    const auto answer = signed_by(session, reply(), each.time);
    REQUIRE(answer.size() == reply().size() + room);
    // Read from behind: other data, its size, the error, the original id, the MAC, its size, fudge, time.
    std::size_t at = answer.size() - each.other_size - 2;
    const auto u16 = [&](std::size_t from) { return answer[from] << 8U | answer[from + 1]; };
    CHECK(u16(at) == each.other_size);
    CHECK(u16(at - 2) == static_cast<unsigned>(each.error));
    CHECK(u16(at - 4) == 0x1234U);
    at -= 4 + each.mac_size + 2;
    CHECK(u16(at) == each.mac_size);
    const auto time_at = [&](std::size_t from) {
      std::uint64_t time = 0;
      for (std::size_t i = from; i < from + 6; ++i) time = time << 8 | answer[i];
      return time;
    };
    CHECK(time_at(at - 8) == now);  // the client's
    if (each.other_size == 6) CHECK(time_at(answer.size() - 6) == each.time);
  }
}

TEST_CASE("who asks can verify what who is asked signs, errors included") {
  const Key key = key_named("xfr.example.");
  Session client, server;
  Octets request = Message(7).question("example", RrType::soa).octets();
  const std::size_t size = request.size();
  request.resize(512);
  request.resize(client.sign_request(key, request, size, now));
  const Session asked = client;

  REQUIRE(verify(server, request) == Verdict::valid);
  auto answer = signed_by(server, reply());
  CHECK(client.verify_reply(answer, now + 300));
  CHECK_FALSE(client.verify_reply(answer, now + 301));
  CHECK_FALSE(client.verify_reply(reply(), now));
  CHECK_FALSE(client.verify_reply({}, now));
  answer[20] ^= 1;
  CHECK_FALSE(client.verify_reply(answer, now));

  client = asked;
  REQUIRE(verify(server, request, now + 9999) == Verdict::failed);
  CHECK_FALSE(client.verify_reply(signed_by(server, reply(), now + 9999), now));
  CHECK(client.error() == Error::badtime);
}

TEST_CASE("the messages of a transfer are chained: each over the MAC of the one before (RFC 8945, 5.3.1)") {
  const Key key = key_named("xfr.example.");
  Session server;
  REQUIRE(verify(server, request_with({})) == Verdict::valid);
  auto before = from_hex(vectors[0].reply_mac);
  signed_by(server, reply());
  for (int i = 0; i < 3; ++i) {
    const auto answer = signed_by(server, reply(), now + 2);
    Octets timers = {0, 0, 0x65, 0x53, 0xF1, 0x02, 1, 0x2C};
    const Octets prefix = {0, 32};
    const Octets plain = reply();
    const Bytes parts[] = {prefix, before, plain, timers};
    const Mac wanted = key.mac(parts);
    CHECK(std::equal(wanted.octets.begin(), wanted.octets.begin() + 32, answer.end() - 6 - 32));
    before.assign(wanted.octets.begin(), wanted.octets.begin() + 32);
  }
}

TEST_CASE("no octet may change, and none may be missing") {
  const auto request = request_with({});
  Session session;
  for (std::size_t i = 2; i < request.size(); ++i) {  // the id may: it is in the record
    auto changed = request;
    changed[i] ^= 0x11;
    CHECK(verify(session, changed) != Verdict::valid);
  }
  for (std::size_t size = question_end; size < request.size(); ++size) {
    // Memory of just this size, so that a sanitizer sees what is read behind it.
    const Octets cut(request.begin(), request.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK(verify(session, cut) == Verdict::malformed);
  }
  const auto answer = [&] {
    Session server;
    verify(server, request);
    return signed_by(server, reply());
  }();
  Session client;
  Octets own(512);
  client.sign_request(key_named("xfr.example."), own, question_end, now);
  for (std::size_t size = 0; size < answer.size(); ++size)
    CHECK_FALSE(
        client.verify_reply(Octets(answer.begin(), answer.begin() + static_cast<std::ptrdiff_t>(size)), now));
}

TEST_CASE("without room nothing is written") {
  Session session;
  REQUIRE(verify(session, request_with({})) == Verdict::valid);
  auto answer = reply();
  const std::size_t size = answer.size();
  answer.resize(size + session.record_size() - 1);
  const auto before = answer;
  CHECK(session.sign(answer, size, now) == 0);
  CHECK(answer == before);
}

TEST_CASE("the record of the longest names and MAC fits the room that is said") {
  const std::string label(63, 'k');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'k') + ".";
  const Keyring keys({key_named(longest.c_str(), TsigAlgorithm::hmac_sha512)});
  Session session;
  const auto request = request_with({.owner = name_octets(longest), .algorithm = name_octets(longest)});
  CHECK(session.verify(keys, request, question_end, now) == Verdict::failed);
  CHECK(signed_by(session, reply()).size() == reply().size() + session.record_size());
}

}  // namespace sluice::tsig
