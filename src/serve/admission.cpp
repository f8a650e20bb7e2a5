#include "serve/admission.hpp"

namespace sluice::serve {
namespace {

// One IPv6 client has a whole /64 to choose its address from.
Address client_key(const Address& client) {
  return client.family == Family::v6 ? masked(client, 64) : client;
}

}  // namespace

std::optional<Admission::Place> Admission::enter(const Address& client) {
  if (full() || full_of(client)) return std::nullopt;
  const Address key = client_key(client);
  ++clients_[key];
  ++total_;
  return Place(*this, key);
}

bool Admission::full_of(const Address& client) const {
  const auto known = clients_.find(client_key(client));
  return known != clients_.end() && known->second >= client_max_;
}

void Admission::leave(const Address& client) {
  const auto known = clients_.find(client);
  if (--known->second == 0) clients_.erase(known);
  --total_;
}

}  // namespace sluice::serve
