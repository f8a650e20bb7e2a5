#include "asking.hpp"

#include <algorithm>
#include <stdexcept>

#include "../query/world.hpp"
#include "../unit/answer/allocations.hpp"
#include "../unit/wire/messages.hpp"
#include "answer/transfer.hpp"
#include "rules.hpp"

namespace sluice::fuzz {
namespace {

using wire::Bytes;
using wire::RrType;
using wire::test::Message;
using wire::test::Octets;

// What leaves most behind in a Scratch: long names, a client subnet, a chain.
const std::vector<Octets>& other_queries() {
  static const std::vector<Octets> queries = {
      Message(0xABCD, 0x0110)
          .question("other." + std::string(60, 'z') + "." + std::string(60, 'y') + ".dchain1.example.",
                    RrType::txt)
          .opt(1232, true, wire::test::subnet_option(2, 128, 0, Octets(16, 0xAB)))
          .octets(),
      Message(0xCDEF).question("tochild.example.", RrType::mx).opt(512).octets(),
      Message(0xEFAB, 0x2000).octets(),
  };
  return queries;
}

const tsig::Key& key(bool long_name) {
  const std::string label(60, 'k');
  const Octets secret(32, 's');
  static const tsig::Key usual(wire::Name::parse("key.example.").value(), wire::TsigAlgorithm::hmac_sha256,
                               secret);
  static const tsig::Key other(
      wire::Name::parse(label + "." + label + "." + label + "." + label + ".").value(),
      wire::TsigAlgorithm::hmac_sha512, secret);
  return long_name ? other : usual;
}

constexpr std::size_t tsig_record_max = 600;  // two names and the longest MAC

// What is too large for TCP once it is signed is left as it is.
void sign(tsig::Session& session, const Asker& asker, Octets& message) {
  const std::size_t size = message.size();
  if (size < wire::header_size || size > wire::message_size_max - tsig_record_max) return;
  message.resize(size + tsig_record_max);
  message.resize(session.sign_request(key(asker.long_key), message, size, cookie_time));
}

// Of a message that we have signed: its last record is read as the signature that it is, and a reply to it
// has room for another one (a datagram need not, behind the longest of names).
bool is_signed_query(Bytes message, std::size_t signed_at) {
  constexpr std::size_t options_max = 80;
  wire::Query query;
  return query.parse(message) == wire::ParseResult::query && query.tsig_at == signed_at &&
         query.question_end + options_max + message.size() - signed_at <= wire::plain_udp_size;
}

}  // namespace

Asker asker_of(std::uint8_t octet) {
  using answer::Transport;
  constexpr Transport transports[] = {Transport::udp, Transport::tcp, Transport::tls, Transport::udp};
  constexpr Regime regimes[] = {Regime::open, Regime::cookies_required, Regime::rate_limited,
                                Regime::signing};
  Asker asker;
  asker.client.transport = transports[octet & 3];
  asker.client.address = parse_address((octet & 4) != 0 ? "2001:db8:5::1" : "198.51.100.1").value();
  asker.client.address.octets[2] = octet;  // another prefix, to the rate limiter and to sticky steers
  asker.client.idle_timeout = 300;
  asker.regime = regimes[octet >> 3 & 3];
  asker.long_key = (octet & 32) != 0;
  return asker;
}

const answer::Snapshot& world_snapshot() {
  static const auto world = [] {
    std::string error;
    const auto file = query_cases::read_case_file(FUZZ_FOLDER "/world.cases", error);
    auto built = file ? query_cases::World::build(file->setup, error) : nullptr;
    return built ? std::move(built) : throw std::runtime_error(error);
  }();
  static const auto snapshot = [] {
    answer::Snapshot made = world->snapshot();
    made.keys = tsig::Keyring({key(false), key(true)});
    for (const auto& zone : made.zones.zones())
      made.transfers[zone.get()] = {
          {.address = {}, .key = key(false).name(), .key_at = {}},
          {.address = parse_prefix("198.51.0.0/17").value(), .key = {}, .key_at = {}}};
    return made;
  }();
  return snapshot;
}

answer::Snapshot empty_snapshot() {
  static Quiescence quiescence;
  answer::Snapshot snapshot;
  snapshot.block = std::make_shared<steer::Block>(quiescence, 1);
  return snapshot;
}

Asking::Side::Side(const answer::Snapshot& snapshot, CounterShard& counters, std::uint8_t fill)
    : snapshot_(std::make_shared<answer::Snapshot>(snapshot)),
      scratch_(counters, 1),
      rate_limiter_(std::make_shared<answer::RateLimiter>(config::RateLimit{}, HashKey{1, 2})),
      udp_(wire::udp_size_max),
      tcp_(wire::message_size_max),
      fill_(fill) {
  snapshot_->pairs = std::make_shared<steer::PairTable>();
}

std::vector<Octets> Asking::Side::ask(const Asker& asker, Bytes message, const answer::Moment& now) {
  snapshot_->policy.cookies.required = asker.regime == Regime::cookies_required;
  snapshot_->policy.rate_limiter = asker.regime == Regime::rate_limited ? rate_limiter_ : nullptr;
  scratch_.now = now;
  scratch_.random = answer::Random(fast_hash(message));
  auto& buffer = asker.client.transport == answer::Transport::udp ? udp_ : tcp_;
  std::fill(buffer.begin(), buffer.end(), fill_);
  const auto allocations_before = answer::test::allocations();
  const std::size_t size = answer::answer(*snapshot_, scratch_, asker.client, message, buffer);
  require(answer::test::allocations() == allocations_before, "answer() does not allocate");
  require(size <= buffer.size(), "the reply fits its buffer");
  if (scratch_.transfer != nullptr) return transfer(message);
  if (size == 0) return {};
  return {{buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(size)}};
}

std::vector<Octets> Asking::Side::transfer(Bytes message) {
  std::vector<Octets> messages;
  answer::Transfer transfer(snapshot_, scratch_, message);
  while (const std::size_t size = transfer.next(tcp_, scratch_.now)) {
    messages.emplace_back(tcp_.begin(), tcp_.begin() + static_cast<std::ptrdiff_t>(size));
    std::fill(tcp_.begin(), tcp_.end(), fill_);
  }
  require(transfer.finished(), "a transfer ends with all of the zone");
  return messages;
}

Asking::Asking(const answer::Snapshot& snapshot)
    : first_(snapshot, counters_.add_shard(), 0x00), second_(snapshot, counters_.add_shard(), 0xFF) {
  now_.unix_seconds = cookie_time;
}

void Asking::set_zones(const zone::ZoneSet& zones) {
  first_.set_zones(zones);
  second_.set_zones(zones);
}

void Asking::ask(const Asker& asker, Bytes message, bool too_large_for_tcp) {
  Octets sent(message.begin(), message.end());
  if (asker.regime == Regime::signing) sign(signer_, asker, sent);
  // As the allocation's whole size: reading behind the message is a finding.
  const auto exact = std::make_unique<std::uint8_t[]>(sent.size());
  std::copy(sent.begin(), sent.end(), exact.get());
  const Bytes query(exact.get(), sent.size());
  // Slow enough for a busy client to exceed its rate, and to be served again later.
  now_.steady_us += 1000;
  second_.ask(asker_of(0xF6), other_queries()[asked_++ % other_queries().size()], now_);
  const auto replies = first_.ask(asker, query, now_), again = second_.ask(asker, query, now_);
  require(replies == again,
          "the reply depends on nothing but state and query, and holds no octet that was not written for it");
  const bool may_be_dropped =
      asker.regime == Regime::rate_limited && asker.client.transport == answer::Transport::udp;
  if (replies.empty() && may_be_dropped) return;
  check_reply(asker.client, query, replies.empty() ? Bytes() : Bytes(replies[0]), too_large_for_tcp);
  for (std::size_t i = 1; i < replies.size(); ++i) check_reply(asker.client, query, replies[i], false);
  if (asker.regime != Regime::signing || !is_signed_query(query, message.size())) return;
  require(signer_.verify_reply(replies[0], cookie_time), "a signed query gets a signed reply");
}

}  // namespace sluice::fuzz
