// What is posted to servers of the config: events to receivers, the work of a rolling to its hook.
#pragma once

#include <string>
#include <string_view>

#include "config/config.hpp"
#include "probe/fetch.hpp"

namespace sluice::probe {

// "sha256=" and the HMAC-SHA256 of the body in hexadecimal digits.
std::string signature(std::string_view secret, std::string_view body);

// `body`: JSON. Signed, if the server has a secret. Of the reply the beginning is enough.
WebRequest signed_post(const config::SignedServer& server, std::string body, Duration timeout);

}  // namespace sluice::probe
