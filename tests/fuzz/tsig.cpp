// Signed messages: what comes is verified and answered as it is, and what we sign ourselves is valid until an
// octet of it changes.
#include "tsig/tsig.hpp"

#include <algorithm>

#include "rules.hpp"
#include "wire/query.hpp"

using namespace sluice;
using wire::Bytes;

namespace {

constexpr std::uint64_t now_s = 0x60000000;
constexpr std::size_t record_size_max = 1024;  // more than a TSIG record with the longest names

const tsig::Keyring& keys() {
  static const std::vector<std::uint8_t> secret(32, 's');
  static const tsig::Keyring keyring(
      {{wire::Name::parse("key.example.").value(), wire::TsigAlgorithm::hmac_sha256, secret},
       {wire::Name::parse("k.").value(), wire::TsigAlgorithm::hmac_sha512, secret}});
  return keyring;
}

// A request out of the blue, and the reply to it.
void check_request(Bytes message) {
  wire::Query query;
  if (query.parse(message) == wire::ParseResult::not_answerable || query.tsig_at == 0) return;
  tsig::Session session;
  const auto verdict = session.verify(keys(), message, query.tsig_at, now_s);
  fuzz::require(verdict != tsig::Verdict::valid || session.key() != nullptr, "who is valid has a key");
  if (verdict == tsig::Verdict::malformed) return;
  std::vector<std::uint8_t> reply(message.begin(), message.begin() + query.tsig_at);
  reply.resize(reply.size() + session.record_size());
  const std::size_t size = session.sign(reply, query.tsig_at, now_s);
  fuzz::require(size == reply.size(), "a signature is as long as it says");
}

// The same octets as the reply to a request of our own.
void check_reply(Bytes message) {
  static const tsig::Key& key = *keys().find(wire::Name::parse("key.example.").value().wire());
  std::vector<std::uint8_t> request(wire::header_size + record_size_max);
  tsig::Session session;
  session.sign_request(key, request, wire::header_size, now_s);
  fuzz::require(!session.verify_reply(message, now_s), "nobody else knows the key");
}

// Our own request, as it is and with one octet changed; the first two, the id, are not covered.
void check_round_trip(Bytes message, unsigned changed, std::uint8_t change) {
  if (message.size() < wire::header_size) return;
  std::vector<std::uint8_t> octets(message.begin(), message.end());
  octets.resize(message.size() + record_size_max);
  static const auto name = wire::Name::parse("key.example.").value();
  tsig::Session client, server;
  octets.resize(client.sign_request(*keys().find(name.wire()), octets, message.size(), now_s));
  fuzz::require(!octets.empty(), "there is room for a signature");
  fuzz::require(server.verify(keys(), octets, message.size(), now_s) == tsig::Verdict::valid,
                "what we sign is valid");
  auto& octet = octets[2 + changed % (message.size() - 2)];
  octet = static_cast<std::uint8_t>(octet ^ std::max<std::uint8_t>(change, 1));
  fuzz::require(server.verify(keys(), octets, message.size(), now_s) != tsig::Verdict::valid,
                "a change is noticed");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  const Bytes message(data + 4, size - 4);
  if (data[0] % 2 != 0) {
    check_round_trip(message, data[1] << 8U | data[2], data[3]);
  } else {
    check_request(message);
    check_reply(message);
  }
  return 0;
}
