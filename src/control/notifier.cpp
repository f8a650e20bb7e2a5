#include "control/notifier.hpp"

#include <algorithm>
#include <chrono>
#include <random>

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>

#include "wire/types.hpp"

namespace sluice::control {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;
using boost::system::error_code;

// Sent in one go, and the pause after that: thousands of zones do not fill the send buffer at once.
constexpr std::size_t burst_max = 64;
constexpr std::chrono::milliseconds burst_pause{10};

constexpr std::uint16_t flags_notify = 0x2400;  // opcode NOTIFY, AA (RFC 1996, 4.5)
constexpr std::uint16_t flag_qr = 0x8000, opcode_mask = 0x7800;
constexpr std::size_t tsig_room = 600;  // of the longest record

std::uint64_t unix_seconds() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(wall_now().time_since_epoch()).count());
}

std::uint16_t random_id() {
  static std::random_device device;
  return static_cast<std::uint16_t>(device());
}

udp::endpoint to_system(const SocketAddress& address) {
  const auto& octets = address.address.octets;
  if (address.address.family == Family::v6) return {asio::ip::address_v6(octets), address.port};
  return {asio::ip::address_v4({octets[0], octets[1], octets[2], octets[3]}), address.port};
}

SocketAddress from_system(const udp::endpoint& endpoint) {
  SocketAddress address{.address = {}, .port = endpoint.port()};
  if (endpoint.address().is_v6()) {
    address.address = {Family::v6, endpoint.address().to_v6().to_bytes()};
  } else {
    const auto octets = endpoint.address().to_v4().to_bytes();
    std::copy(octets.begin(), octets.end(), address.address.octets.begin());
  }
  return address;
}

void put_u16(std::vector<std::uint8_t>& octets, std::size_t value) {
  octets.push_back(static_cast<std::uint8_t>(value >> 8));
  octets.push_back(static_cast<std::uint8_t>(value));
}

void put(std::vector<std::uint8_t>& octets, wire::Bytes bytes) {
  octets.insert(octets.end(), bytes.begin(), bytes.end());
}

// RFC 1996, 3.7: the SOA as a hint, so that a server that has this serial need not ask.
std::vector<std::uint8_t> notify_message(const wire::Name& zone, const Notice& notice) {
  std::vector<std::uint8_t> octets;
  for (const std::size_t word : {std::size_t{random_id()}, std::size_t{flags_notify}}) put_u16(octets, word);
  for (const std::size_t count : {1U, 1U, 0U, 0U}) put_u16(octets, count);
  const auto put_type = [&] {
    put_u16(octets, static_cast<std::uint16_t>(wire::RrType::soa));
    put_u16(octets, static_cast<std::uint16_t>(wire::RrClass::in));
  };
  put(octets, zone.wire());
  put_type();
  put_u16(octets, 0xC000 | wire::header_size);
  put_type();
  put_u16(octets, notice.soa_ttl >> 16);
  put_u16(octets, notice.soa_ttl & 0xFFFF);
  put_u16(octets, notice.soa.size());
  put(octets, notice.soa);
  return octets;
}

const char* rcode_text(unsigned rcode) {
  constexpr std::array<const char*, 10> names{"NOERROR", "FORMERR",  "SERVFAIL", "NXDOMAIN", "NOTIMP",
                                              "REFUSED", "YXDOMAIN", "YXRRSET",  "NXRRSET",  "NOTAUTH"};
  return rcode < names.size() ? names[rcode] : "an error";
}

}  // namespace

Notifier::Notifier(asio::any_io_executor executor, Journal& journal)
    : executor_(std::move(executor)), journal_(journal), alarm_(executor_, [this] { work(); }) {}

void Notifier::announce(const config::Config& config, const zone::ZoneSet& zones, tsig::Keyring keys) {
  keys_ = std::make_shared<const tsig::Keyring>(std::move(keys));
  notices_.announce(config, zones, wall_now());
  // What was under way for an older serial, or for whom the config no longer names.
  std::erase_if(messages_, [&](const auto& each) {
    const auto* notice = notices_.find(each.first);
    return notice == nullptr || notice->attempts == 0;
  });
  work();
}

void Notifier::stop() {
  stopped_ = true;
  alarm_.clear();
  error_code ignored;
  for (const auto& endpoint : endpoints_)
    if (endpoint) endpoint->socket.close(ignored);
}

void Notifier::work() {
  if (stopped_) return;
  const auto due = notices_.take_due(wall_now(), burst_max);
  for (const auto& key : due.send) send(key);
  for (const auto& [key, notice] : due.given_up) {
    const auto& trouble = messages_[key].trouble;
    settle(key, notice, "notify.unanswered",
           fmt::format("did not answer {} NOTIFY messages{}{}", notice.attempts, trouble.empty() ? "" : ": ",
                       trouble));
  }
  arm();
}

void Notifier::arm() {
  const auto next = notices_.next_due();
  if (!next || stopped_) return;
  alarm_.set_after(std::max<std::chrono::milliseconds>(*next - wall_now(), burst_pause));
}

void Notifier::send(const NoticeKey& key) {
  auto& message = message_for(key, *notices_.find(key));
  auto* endpoint = endpoint_of(key.target.address.family, message.trouble);
  if (endpoint == nullptr) return;
  error_code error;
  endpoint->socket.send_to(asio::buffer(message.octets), to_system(key.target), 0, error);
  if (error) message.trouble = error.message();
}

Notifier::Message& Notifier::message_for(const NoticeKey& key, const Notice& notice) {
  const auto [place, is_new] = messages_.try_emplace(key);
  auto& message = place->second;
  if (!is_new) return message;
  message.octets = notify_message(key.zone, notice);
  const auto* tsig_key = notice.key ? keys_->find(notice.key->wire()) : nullptr;
  if (tsig_key == nullptr) return message;
  message.keys = keys_;
  const std::size_t size = message.octets.size();
  message.octets.resize(size + tsig_room);
  message.octets.resize(message.session.sign_request(*tsig_key, message.octets, size, unix_seconds()));
  return message;
}

// Opened when it is needed first; null when it cannot be.
Notifier::Endpoint* Notifier::endpoint_of(Family family, std::string& trouble) {
  auto& place = endpoints_[static_cast<std::size_t>(family)];
  if (place) return place.get();
  auto endpoint = std::make_unique<Endpoint>(executor_);
  error_code error;
  endpoint->socket.open(family == Family::v4 ? udp::v4() : udp::v6(), error);
  if (!error) endpoint->socket.non_blocking(true, error);
  // A port of its own right away: receiving starts before anything is sent.
  if (!error) endpoint->socket.bind({family == Family::v4 ? udp::v4() : udp::v6(), 0}, error);
  if (error) {
    trouble = error.message();
    return nullptr;
  }
  place = std::move(endpoint);
  receive(*place);
  return place.get();
}

void Notifier::receive(Endpoint& endpoint) {
  endpoint.socket.async_receive_from(
      asio::buffer(endpoint.buffer), endpoint.from, [this, &endpoint](error_code error, std::size_t size) {
        if (error == asio::error::operation_aborted || stopped_) return;
        if (!error) take_reply(from_system(endpoint.from), wire::Bytes(endpoint.buffer).first(size));
        receive(endpoint);
      });
}

// RFC 1996, 3.5 and 4.8: an answer has the query's id and question; with whatever code, it ends the matter.
void Notifier::take_reply(const SocketAddress& from, wire::Bytes reply) {
  if (reply.size() < wire::header_size) return;
  const std::uint16_t flags = wire::read_u16(reply, 2);
  wire::LookupName zone;
  if ((flags & flag_qr) == 0 || (flags & opcode_mask) != (flags_notify & opcode_mask)) return;
  if (wire::read_u16(reply, 4) != 1 || zone.assign(reply.subspan(wire::header_size)) == 0) return;
  const NoticeKey key{from, *wire::Name::from_wire(zone.wire())};
  const auto* notice = notices_.find(key);
  const auto sent = messages_.find(key);
  if (notice == nullptr || sent == messages_.end()) return;
  auto& message = sent->second;
  if (wire::read_u16(reply, 0) != wire::read_u16(message.octets, 0)) return;
  const unsigned rcode = flags & 0xF;
  // Whoever cannot sign it may have made it up: the true answer may still come.
  if (notice->key && !message.session.verify_reply(reply, unix_seconds())) {
    message.trouble = fmt::format("it says {}, and not with a signature that holds", rcode_text(rcode));
    return;
  }
  const Notice done = *notice;
  notices_.answered(key);
  if (rcode == 0)
    settle(key, done, "notify.answered", "knows of it");
  else
    settle(key, done, "notify.refused", fmt::format("answered {}", rcode_text(rcode)));
}

void Notifier::settle(const NoticeKey& key, const Notice& notice, const char* kind,
                      const std::string& outcome) {
  messages_.erase(key);
  journal_.note(
      "sluiced", kind, key.zone.text(),
      fmt::format("serial {} of {}: {} {}", notice.serial, key.zone.text(), to_text(key.target), outcome));
}

}  // namespace sluice::control
