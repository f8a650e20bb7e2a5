// The one place where Boost.Asio and Beast are compiled; others see their declarations only.
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
