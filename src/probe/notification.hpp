// What is posted to a receiver of events.
#pragma once

#include <string>
#include <string_view>

#include "config/config.hpp"
#include "probe/fetch.hpp"

namespace sluice::probe {

// "sha256=" and the HMAC-SHA256 of the body in hexadecimal digits.
std::string signature(std::string_view secret, std::string_view body);

// `body`: JSON. Signed, if the receiver has a secret.
WebRequest notification_request(const config::Receiver& receiver, std::string body);

}  // namespace sluice::probe
