#include "control/policy.hpp"

#include <cerrno>
#include <span>
#include <system_error>

#include <sys/random.h>

namespace sluice::control {
namespace {

// As much as was asked for: requests of up to 256 octets are never cut short once the pool is filled.
void fill_with_chance(std::span<std::uint8_t> octets) {
  if (getrandom(octets.data(), octets.size(), 0) != static_cast<ssize_t>(octets.size()))
    throw std::system_error(errno, std::generic_category(), "getrandom");
}

HashKey random_key() {
  std::array<std::uint8_t, sizeof(HashKey)> octets;
  fill_with_chance(octets);
  return {load_u64(octets.data()), load_u64(octets.data() + 8)};
}

}  // namespace

PolicyMaker::PolicyMaker() { rotate(); }

void PolicyMaker::rotate() {
  answer::CookieSecret secret;
  fill_with_chance(secret);
  own_secrets_.insert(own_secrets_.begin(), secret);
  if (own_secrets_.size() > 2) own_secrets_.pop_back();
}

answer::Policy PolicyMaker::make(const config::Config& config, std::vector<answer::CookieSecret> secrets) {
  answer::Policy policy;
  policy.identity = answer::character_string(config.server.identity);
  policy.version = answer::character_string(config.server.version);
  if (config.cookies.mode != config::CookieMode::off)
    policy.cookies.secrets = secrets.empty() ? own_secrets_ : std::move(secrets);
  policy.cookies.required = config.cookies.mode == config::CookieMode::required;
  if (!config.rate_limit)
    rate_limiter_.reset();
  else if (!rate_limiter_ || rate_limiter_->limit() != *config.rate_limit)
    rate_limiter_ = std::make_shared<answer::RateLimiter>(*config.rate_limit, random_key());
  policy.rate_limiter = rate_limiter_;
  return policy;
}

}  // namespace sluice::control
