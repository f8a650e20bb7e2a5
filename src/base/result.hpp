// Expected failures are values: a function that can fail returns Result<T>, and the caller cannot forget to
// look.
//
//   Result<Address> parse_address(std::string_view text);
//   auto address = parse_address(text);
//   if (!address) return address.error();
#pragma once

#include <stdexcept>
#include <string>

#include <boost/system/result.hpp>

namespace sluice {

// What kind of failure it was, as far as a caller acts on it. The admin API maps these to HTTP status codes,
// the CLI to exit codes.
enum class ErrorCode : unsigned char {
  invalid,      // the input is malformed: usage, syntax, out of bounds
  not_found,    // what the input names does not exist
  refused,      // well-formed, but the rules forbid it now
  forbidden,    // who asks may not
  unavailable,  // the other side (daemon, disk, network) failed
};

struct Error {
  ErrorCode code = ErrorCode::invalid;
  std::string message;  // one sentence for a person, without the word "error" and without a final full stop
};

template <class T>
using Result = boost::system::result<T, Error>;

// Called by Result::value() when there is none: only a programmer's mistake gets here.
[[noreturn]] inline void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw std::runtime_error(error.message);
}

}  // namespace sluice
