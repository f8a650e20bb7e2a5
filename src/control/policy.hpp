// From what the config says of replies to what the answering threads use (answer::Policy). Keeps what
// outlives a reload: the counts of the rate limiter, and the cookie secrets of our own making.
#pragma once

#include <chrono>
#include <vector>

#include "answer/answer.hpp"
#include "config/config.hpp"

namespace sluice::control {

// RFC 9018, 5: "regularly", and at least every 36 days. The secret before is good until the next turn, which
// is far longer than a cookie is.
inline constexpr auto cookie_rotation = std::chrono::hours(24);

// Not thread-safe: the control thread's.
class PolicyMaker {
 public:
  PolicyMaker();

  // `secrets`: those of the config's file, which come before our own.
  answer::Policy make(const config::Config& config, std::vector<answer::CookieSecret> secrets);

  // A new secret of our own.
  void rotate();

 private:
  std::vector<answer::CookieSecret> own_secrets_;  // the one in use, and the one before
  std::shared_ptr<answer::RateLimiter> rate_limiter_;
};

}  // namespace sluice::control
