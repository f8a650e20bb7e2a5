// The files that sections of several kinds name: authorities to trust, and secrets that stand outside the
// config.
#pragma once

#include "config/rules.hpp"

namespace sluice::config {

// The certificates that the key `ca` names, if it is given.
void read_authorities(const SectionTable& section, const std::string& path, SharedText& authorities,
                      Errors& errors);

// The same where the key `url` says whether there is TLS.
void complete_web_server(const SectionTable& section, WebServer& server, Errors& errors);

// The same, and what its secret is.
void complete_signed_server(const SectionTable& section, SignedServer& server, Errors& errors);

// What stands in the file that the key `KEY_file` names, if it is given; it excludes `KEY`.
void read_token_file(const SectionTable& section, const std::string& key, const std::string& path,
                     std::string& token, Errors& errors);

}  // namespace sluice::config
