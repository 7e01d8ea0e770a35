#include "agent/discovery/openssl_family.h"

namespace sonde::discovery {
namespace {

constexpr ProbeSpec kProbes[] = {
    // An object's birth and end first: what is attached in order then sees whole lives.
    {"SSL_new", "sonde_ssl_new", true},
    {"SSL_up_ref", "sonde_ssl_up_ref"},
    {"SSL_free", "sonde_ssl_free"},
    {"SSL_clear", "sonde_ssl_clear"},
    {"SSL_set_fd", "sonde_ssl_set_fd"},
    {"SSL_set_rfd", "sonde_ssl_set_fd"},
    {"SSL_set_wfd", "sonde_ssl_set_fd"},
    {"SSL_set_connect_state", "sonde_ssl_client"},
    {"SSL_connect", "sonde_ssl_client"},
    {"SSL_set_accept_state", "sonde_ssl_server"},
    {"SSL_accept", "sonde_ssl_server"},
    {"SSL_do_handshake", "sonde_ssl_handshake"},
    {"SSL_shutdown", "sonde_ssl_shutdown"},
    // Returns before entries: an entry without its return would leave a note behind.
    {"SSL_read", "sonde_ssl_return", true},
    {"SSL_read_ex", "sonde_ssl_return", true},
    {"SSL_write", "sonde_ssl_return", true},
    {"SSL_write_ex", "sonde_ssl_return", true},
    {"SSL_write_ex2", "sonde_ssl_return", true},
    {"SSL_peek", "sonde_ssl_return", true},
    {"SSL_peek_ex", "sonde_ssl_return", true},
    {"SSL_sendfile", "sonde_ssl_return", true},
    {"SSL_get_error", "sonde_ssl_return", true},
    {"SSL_dup", "sonde_ssl_return", true},
    {"SSL_ctrl", "sonde_ssl_ctrl_return", true},
    {"SSL_dup", "sonde_ssl_dup"},
    {"SSL_ctrl", "sonde_ssl_ctrl"},
    {"SSL_read", "sonde_ssl_read"},
    {"SSL_read_ex", "sonde_ssl_read_ex"},
    {"SSL_write", "sonde_ssl_write"},
    {"SSL_write_ex", "sonde_ssl_write_ex"},
    {"SSL_write_ex2", "sonde_ssl_write_ex2"},
    {"SSL_peek", "sonde_ssl_peek"},
    {"SSL_peek_ex", "sonde_ssl_peek"},
    {"SSL_sendfile", "sonde_ssl_sendfile"},
    {"SSL_get_error", "sonde_ssl_get_error"},
};

constexpr TlsFamily kFamily = {.name = "openssl", .required = "SSL_write", .probes = kProbes};

}  // namespace

const TlsFamily& OpensslFamily() { return kFamily; }

}  // namespace sonde::discovery
