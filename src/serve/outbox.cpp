#include "serve/outbox.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>

#include <netinet/udp.h>
#include <poll.h>

namespace sluice::serve {
namespace {

// How long and how often a batch waits for room in the send buffer before the rest of it is dropped: replies
// that are later than this only delay others.
constexpr int send_wait_ms = 5;
constexpr unsigned send_waits_max = 2;

// Below what Linux takes for the least MTU of any path: by longer ones a bundle could be refused.
constexpr std::size_t segment_max = 512;

// Of one message: what Linux takes at least, and an IP packet can hold.
constexpr unsigned segments_max = 64;
constexpr std::size_t octets_max = 60'000;

// The reply leaves from the address that was asked, by whatever interface the routes say.
void clear_interface(cmsghdr& header) {
  if (header.cmsg_level == IPPROTO_IP && header.cmsg_type == IP_PKTINFO)
    reinterpret_cast<in_pktinfo*>(CMSG_DATA(&header))->ipi_ifindex = 0;
  if (header.cmsg_level == IPPROTO_IPV6 && header.cmsg_type == IPV6_PKTINFO)
    reinterpret_cast<in6_pktinfo*>(CMSG_DATA(&header))->ipi6_ifindex = 0;
}

// Of the port and the last octets of the address.
std::size_t slot_of(const msghdr& query) {
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  const bool v6 = query.msg_namelen == sizeof(sockaddr_in6);
  const auto* name = static_cast<const std::uint8_t*>(query.msg_name);
  std::uint16_t port = 0;
  std::uint32_t end = 0;
  std::memcpy(&port, name + offsetof(sockaddr_in, sin_port), sizeof port);
  std::memcpy(&end, name + (v6 ? offsetof(sockaddr_in6, sin6_addr) + 12 : offsetof(sockaddr_in, sin_addr)),
              sizeof end);
  constexpr std::uint32_t odd = 0x9E3779B1;  // spreads what differs in few bits
  return (((end ^ port) * odd) >> 16) % Outbox::capacity;
}

bool same_octets(const void* a, std::size_t a_size, const void* b, std::size_t b_size) {
  return a_size == b_size && (a_size == 0 || std::memcmp(a, b, a_size) == 0);
}

bool wait_writable(int socket) {
  pollfd writable{.fd = socket, .events = POLLOUT, .revents = 0};
  return poll(&writable, 1, send_wait_ms) > 0;
}

// sendmmsg stops at the first message that fails and says why only when that is the very first: `failed` is
// called with its number, and it is passed over.
template <class Failed>
void send_all(int socket, std::span<mmsghdr> messages, Failed failed) {
  unsigned waits = 0;
  for (std::size_t sent = 0; sent < messages.size();) {
    const auto rest = static_cast<unsigned>(messages.size() - sent);
    const int count = sendmmsg(socket, &messages[sent], rest, MSG_DONTWAIT);
    if (count > 0) {
      sent += static_cast<unsigned>(count);
    } else if (errno == EAGAIN) {
      if (++waits > send_waits_max || !wait_writable(socket)) return;
    } else if (errno != EINTR) {
      failed(sent++);
    }
  }
}

}  // namespace

void Outbox::clear() {
  reply_count_ = bundle_count_ = 0;
  latest_ = {};
}

bool Outbox::joins(const Bundle& bundle, const msghdr& query, std::size_t size) const {
  return bundling_ && bundle.octets == bundle.segment * bundle.count && size <= bundle.segment &&
         bundle.segment <= segment_max && bundle.count < segments_max && bundle.octets + size <= octets_max &&
         same_octets(query.msg_name, query.msg_namelen, bundle.query->msg_name, bundle.query->msg_namelen) &&
         same_octets(query.msg_control, query.msg_controllen, bundle.query->msg_control,
                     bundle.query->msg_controllen);
}

void Outbox::add(const msghdr& query, iovec reply) {
  assert(reply_count_ < capacity);
  const unsigned number = reply_count_++;
  replies_[number].part = reply;
  auto& latest = latest_[slot_of(query)];
  if (latest != 0 && joins(bundles_[latest - 1U], query, reply.iov_len)) {
    auto& bundle = bundles_[latest - 1U];
    replies_[bundle.last].next = number;
    bundle.last = number;
    ++bundle.count;
    bundle.octets += reply.iov_len;
    return;
  }
  bundles_[bundle_count_] = {&query, reply.iov_len, reply.iov_len, number, number, 1};
  latest = static_cast<std::uint8_t>(++bundle_count_);
}

// The parts of a bundle next to one another, as a message wants them.
void Outbox::lay_out() {
  unsigned laid = 0;
  for (unsigned i = 0; i < bundle_count_; ++i) {
    const Bundle& bundle = bundles_[i];
    msghdr& message = messages_[i].msg_hdr;
    message = {bundle.query->msg_name,
               bundle.query->msg_namelen,
               &parts_[laid],
               bundle.count,
               controls_[i].data(),
               0,
               0};
    for (unsigned k = 0, reply = bundle.first; k < bundle.count; ++k, reply = replies_[reply].next)
      parts_[laid++] = replies_[reply].part;
    message.msg_controllen = bundle.query->msg_controllen;
    assert(message.msg_controllen <= control_room);
    if (message.msg_controllen > 0) {
      std::memcpy(message.msg_control, bundle.query->msg_control, message.msg_controllen);
      clear_interface(*CMSG_FIRSTHDR(&message));
    }
    if (bundle.count == 1) continue;
    auto* header = reinterpret_cast<cmsghdr*>(controls_[i].data() + message.msg_controllen);
    message.msg_controllen += CMSG_SPACE(sizeof(std::uint16_t));
    header->cmsg_level = SOL_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto segment = static_cast<std::uint16_t>(bundle.segment);
    std::memcpy(CMSG_DATA(header), &segment, sizeof segment);
  }
}

void Outbox::send(int socket) {
  if (reply_count_ == 0) return;
  lay_out();
  send_all(socket, {messages_.data(), bundle_count_}, [&](std::size_t i) {
    if (bundles_[i].count == 1) return;  // no route, a firewall's EPERM, EMSGSIZE; the others can be sent
    if (errno == EINVAL || errno == EIO || errno == EOPNOTSUPP) bundling_ = false;  // nor will it take others
    send_singly(socket, bundles_[i]);
  });
}

void Outbox::send_singly(int socket, const Bundle& bundle) {
  std::array<mmsghdr, capacity> singles{};
  const auto i = static_cast<std::size_t>(&bundle - bundles_.data());
  auto& whole = messages_[i].msg_hdr;
  for (unsigned k = 0; k < bundle.count; ++k) {
    singles[k].msg_hdr = whole;
    singles[k].msg_hdr.msg_iov = &whole.msg_iov[k];
    singles[k].msg_hdr.msg_iovlen = 1;
    singles[k].msg_hdr.msg_controllen = bundle.query->msg_controllen;
  }
  send_all(socket, {singles.data(), bundle.count}, [](std::size_t) {});
}

}  // namespace sluice::serve
