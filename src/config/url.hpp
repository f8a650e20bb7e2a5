// Where an analysis asks: "http://127.0.0.1:9090/prefix".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "wire/destination.hpp"

namespace sluice::config {

struct Url {
  bool tls = false;
  wire::Destination host;
  std::uint16_t port = 0;
  std::string host_field;  // as it is written: the Host field of a request
  std::string target;      // path and query; begins with "/"
};

// Absolute, http or https; without a user, whose password would be shown, and without a fragment.
Result<Url> parse_url(std::string_view text);

}  // namespace sluice::config
