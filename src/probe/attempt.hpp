// One probe: the part that acts, and the pure part that says what came of it.
//
//   connect --tcp--> success
//      '------http--> request -> response header -> status in `expect`?
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/system/error_code.hpp>

#include "base/address.hpp"
#include "base/result.hpp"
#include "health/endpoint.hpp"
#include "probe/prober.hpp"

namespace sluice::probe {

// How far a probe came.
enum class Stage : std::uint8_t { connecting, responding, done };

struct Attempt {
  Stage stage = Stage::connecting;    // where it failed; `done`: it did not
  boost::system::error_code failure;  // why
  std::optional<unsigned> status;     // of an HTTP response
  Duration took{};
};

// Runs one probe of a target that is an address on a stream that is not open yet, and leaves it closed. Ends
// at the check's timeout at the latest, or when somebody else closes the stream. Does not throw but for lack
// of memory.
boost::asio::awaitable<Attempt> run_attempt(boost::beast::tcp_stream& stream, const Target& target);

// What the attempt says about the endpoint, in words for a person. An error when it says nothing about it,
// because we ran out of something ourselves.
Result<health::ProbeResult> judge(const config::Check& check, const Attempt& attempt);

// The probe of one of a host's addresses, which may take `limit`: what is asked for is the host all the same.
Target at_address(const Target& host, const Address& address, Duration limit);

// What came of the probe of one of a host's addresses.
struct Tried {
  Address address;
  Result<health::ProbeResult> result;
};

// What the probes of its addresses, up to the first success, say about a host. An error when none says
// anything.
Result<health::ProbeResult> judge_host(const std::vector<Tried>& tried, Duration took);

// The Host field of the check's requests (RFC 9112 section 3.2).
std::string host_field(const Target& target);

}  // namespace sluice::probe
