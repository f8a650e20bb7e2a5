// The certificates of a PEM file, such as those of the authorities that a check trusts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"

struct x509_st;  // OpenSSL's X509

namespace sluice::config {

// At least one. What stands beside certificates in the text is passed over.
Result<std::vector<std::shared_ptr<x509_st>>> parse_certificates(const std::string& pem);

}  // namespace sluice::config
