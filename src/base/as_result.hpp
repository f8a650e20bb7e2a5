// What our coroutines wait with: the error of an operation is part of its result, and nothing is thrown.
//
//   auto [error, size] = co_await socket.async_read_some(buffer, as_result);
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sluice {

inline constexpr auto as_result = boost::asio::as_tuple(boost::asio::use_awaitable);

}  // namespace sluice
