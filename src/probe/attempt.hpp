// One probe: the part that acts, and the pure part that says what came of it.
//
//   connect --tcp----> success
//      |------agent--> line --> what it says
//      |------http---> request -> response header -> status in `expect`? -> what `body` wants in the body?
//      '------https--> handshake -> certificate good? -> as http
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/system/error_code.hpp>

#include "base/address.hpp"
#include "base/result.hpp"
#include "health/endpoint.hpp"
#include "probe/connection.hpp"
#include "probe/target.hpp"
#include "probe/tools.hpp"

namespace sluice::probe {

// How much of a response is read before its body: status line and header fields.
inline constexpr std::size_t header_size_max = 64 * 1024;

// Of a probe's time connecting may take so much: the first SYN is repeated after 1 s and 3 s. Who has not
// answered by then would do so too late for anybody.
inline constexpr Duration connect_timeout_max = std::chrono::seconds(5);

// How far a probe came.
enum class Stage : std::uint8_t {
  connecting,
  securing,    // the TLS handshake
  responding,  // request and response header
  body,        // of the response
  listening,   // to an agent
  done
};

// What came of looking into a response's body.
enum class BodyFinding : std::uint8_t { not_looked_for, found, missing, not_in_begin };

struct Attempt {
  Stage stage = Stage::connecting;    // where it failed; `done`: it did not
  boost::system::error_code failure;  // why
  std::optional<unsigned> status;     // of an HTTP response
  Duration took{};
  BodyFinding body = BodyFinding::not_looked_for;
  std::optional<std::string> line{};  // what an agent said
  std::string refusal{};              // why the server's certificate was refused; empty: it was not
  bool without_route = false;         // this machine has none to the address
  bool received = false;              // at least one octet
  bool own = false;                   // what answered was an address of this machine's own
};

boost::asio::ip::tcp::endpoint to_endpoint(const Address& address, std::uint16_t port);

// Whether this machine has a route to the address, by the kernel's word; nothing is sent. True when that
// cannot be found out.
bool has_route(const Address& address);

// Whether the address is this machine's own, by the same word. False when that cannot be found out.
bool is_own(const Address& address);

// Runs one probe of a target that is an address on a connection that is not open yet, and leaves it closed.
// Ends at the check's timeout at the latest, or when somebody else closes the connection. Throws for lack of
// memory only. Not for checks of type push and exec, which connect to nothing.
boost::asio::awaitable<Attempt> run_attempt(Connection& connection, const Target& target, const Tools& tools);

// What the attempt says about the endpoint, in words for a person. An error when it says nothing about it,
// because we ran out of something ourselves.
Result<health::ProbeResult> judge(const config::Check& check, const Attempt& attempt);

// What came of the probe of one of a host's addresses.
struct Tried {
  Address address;
  Result<health::ProbeResult> result;
};

// What the probes of its addresses, up to the first success, say about a host. An error when none says
// anything.
Result<health::ProbeResult> judge_host(const std::vector<Tried>& tried, Duration took);

}  // namespace sluice::probe
