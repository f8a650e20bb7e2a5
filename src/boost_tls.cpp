// What Boost.Asio has for TLS, compiled once as in boost.cpp; apart from it, as only few rooms speak TLS by
// Asio.
#include <boost/asio/ssl/impl/src.hpp>
