#include "control/policy.hpp"

#include <array>
#include <cerrno>
#include <system_error>

#include "base/chance.hpp"

namespace sluice::control {
namespace {

template <std::size_t size>
std::array<std::uint8_t, size> random_octets() {
  std::array<std::uint8_t, size> octets;
  if (!fill_with_chance(octets)) throw std::system_error(errno, std::generic_category(), "getrandom");
  return octets;
}

HashKey random_key() {
  const auto octets = random_octets<sizeof(HashKey)>();
  return {load_u64(octets.data()), load_u64(octets.data() + 8)};
}

}  // namespace

PolicyMaker::PolicyMaker() { rotate(); }

void PolicyMaker::rotate() {
  own_secrets_.insert(own_secrets_.begin(), random_octets<sizeof(answer::CookieSecret)>());
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
