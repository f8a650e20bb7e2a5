// One request over a connection that stands, and as much of the response as the check wants to see.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "probe/attempt.hpp"
#include "probe/tls.hpp"

namespace sluice::probe {

// What came of it is put into `attempt`, whose stage says how far it went. The deadline is the caller's.
boost::asio::awaitable<void> ask(boost::asio::ip::tcp::socket& stream, const Target& target,
                                 const Tools& tools, Attempt& attempt);
boost::asio::awaitable<void> ask(TlsStream& stream, const Target& target, const Tools& tools,
                                 Attempt& attempt);

// Whether the status is among those that the check expects.
bool is_expected(const config::Check& check, unsigned status);

}  // namespace sluice::probe
