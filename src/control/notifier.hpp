// Tells other servers that a zone has changed (NOTIFY, RFC 1996): what notices.hpp decides, over UDP. Each
// outcome is an event: notify.answered, notify.refused or notify.unanswered.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/udp.hpp>

#include "control/alarm.hpp"
#include "control/journal.hpp"
#include "control/notices.hpp"
#include "tsig/tsig.hpp"

namespace sluice::control {

// Not thread-safe: the control thread's. Destroyed when `executor` runs no more, or after stop(). The journal
// outlives it.
class Notifier {
 public:
  Notifier(boost::asio::any_io_executor executor, Journal& journal);

  // After each publication of zones, which are in the order of the config's. `keys` are the config's.
  void announce(const config::Config& config, const zone::ZoneSet& zones, tsig::Keyring keys);

  void stop();

 private:
  // One message on its way: the same octets at each attempt, so that any answer to any of them counts.
  struct Message {
    std::vector<std::uint8_t> octets;
    tsig::Session session;                      // when it is signed
    std::shared_ptr<const tsig::Keyring> keys;  // which `session` borrows from
    std::string trouble;                        // what was seen in place of an answer
  };
  // One family's socket.
  struct Endpoint {
    explicit Endpoint(const boost::asio::any_io_executor& executor) : socket(executor) {}
    boost::asio::ip::udp::socket socket;
    boost::asio::ip::udp::endpoint from;
    std::array<std::uint8_t, 4096> buffer;  // a reply is as long as the NOTIFY
  };

  void work();
  void arm();
  void send(const NoticeKey& key);
  Message& message_for(const NoticeKey& key, const Notice& notice);
  Endpoint* endpoint_of(Family family, std::string& trouble);
  void receive(Endpoint& endpoint);
  void take_reply(const SocketAddress& from, wire::Bytes reply);
  void settle(const NoticeKey& key, const Notice& notice, const char* kind, const std::string& outcome);

  boost::asio::any_io_executor executor_;
  Journal& journal_;
  Notices notices_;
  std::shared_ptr<const tsig::Keyring> keys_;
  std::map<NoticeKey, Message> messages_;               // of what is pending and has been sent
  std::array<std::unique_ptr<Endpoint>, 2> endpoints_;  // by Family
  SteadyAlarm alarm_;
  bool stopped_ = false;
};

}  // namespace sluice::control
