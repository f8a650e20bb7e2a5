// The TLS of https checks: whom to trust, whom to expect, and in which words a server is refused.
#pragma once

#include <memory>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/system/error_code.hpp>

#include "base/result.hpp"
#include "config/config.hpp"

namespace sluice::probe {

using TlsContext = boost::asio::ssl::context;
using TlsStream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>;

// With the authorities of the check, or the system's.
Result<std::shared_ptr<TlsContext>> make_context(const config::Check& check);

// To be called before the handshake. The server's certificate has to be for `name`, which may be an address
// as text; why it was refused, is then put into `refusal`, which has to live as long as the handshake.
Result<void> expect_server(TlsStream& stream, const config::Check& check, const std::string& name,
                           std::string& refusal);

// Whether the server has sent anything, in the handshake or after it.
bool has_received(TlsStream& stream);

// Why a handshake failed, but for what `refusal` says.
std::string handshake_failure_text(const boost::system::error_code& failure);

// "certificate required", when that is what TLS had to say later.
std::string alert_text(const boost::system::error_code& failure);

bool is_tls(const boost::system::error_code& failure);

}  // namespace sluice::probe
