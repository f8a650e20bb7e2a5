// The replies of a batch on their way out. Those to one and the same socket leave in one message, which the
// kernel takes apart again at the end of its path (UDP_SEGMENT, udp(7)): its way through the kernel costs
// more than all that we do. A proxy in front of us, and a resolver that asks from few ports, have several in
// a batch; others have one each, and are sent as ever.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <netinet/in.h>
#include <sys/socket.h>

namespace sluice::serve {

// Room for the one control message that queries come with: which address a datagram was sent to.
inline constexpr std::size_t control_room = CMSG_SPACE(sizeof(in6_pktinfo));

class Outbox {
 public:
  static constexpr unsigned capacity = 64;

  // A bundle is one message of replies of the same size, of which the last may be shorter.
  struct Bundle {
    const msghdr* query = nullptr;  // peer and control message of the first one's query
    std::size_t segment = 0, octets = 0;
    unsigned first = 0, last = 0, count = 0;  // replies
  };

  void clear();

  // A reply to where `query` came from, by the address that it was sent to. Both outlive send(); at most
  // `capacity` from one clear() to the next.
  void add(const msghdr& query, iovec reply);

  // Does not wait longer for room in the send buffer than some milliseconds; drops what has none then, and
  // what cannot be sent.
  void send(int socket);

  // For tests.
  unsigned bundle_count() const { return bundle_count_; }

 private:
  struct Reply {
    iovec part{};
    unsigned next = 0;  // of its bundle
  };
  using Control = std::array<std::uint8_t, control_room + CMSG_SPACE(sizeof(std::uint16_t))>;

  bool joins(const Bundle& bundle, const msghdr& query, std::size_t size) const;
  void lay_out();
  void send_singly(int socket, const Bundle& bundle);

  std::array<Reply, capacity> replies_{};
  std::array<Bundle, capacity> bundles_{};
  std::array<std::uint8_t, capacity> latest_{};  // by the peer's hash: its latest bundle, counted from 1
  unsigned reply_count_ = 0, bundle_count_ = 0;
  bool bundling_ = true;  // until the kernel refuses it

  std::array<mmsghdr, capacity> messages_{};  // of the bundles
  std::array<iovec, capacity> parts_{};
  alignas(cmsghdr) std::array<Control, capacity> controls_{};
};

}  // namespace sluice::serve
