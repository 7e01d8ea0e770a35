/* A library with OpenSSL's names whose behaviour a test decides. Objects are any address. */
#ifndef SONDE_AGENT_CAPTURE_TESTING_FAKE_SSL_H_
#define SONDE_AGENT_CAPTURE_TESTING_FAKE_SSL_H_

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What SSL_new returns, what the next calls return, what SSL_get_error says. */
extern void* fake_ssl_object;
extern int fake_ssl_result;
extern int fake_ssl_error;
/* Whether reads, writes and names are looked at, every byte; a benchmark switches it off. */
extern int fake_ssl_touch;
/* Called inside SSL_write when set: two threads can be held in it together. */
extern void (*fake_ssl_inside_write)(void);

void* SSL_new(void* context);
void SSL_free(void* ssl);
int SSL_up_ref(void* ssl);
/* fake_ssl_object, or `ssl` itself when that is NULL. */
void* SSL_dup(void* ssl);
int SSL_clear(void* ssl);
int SSL_set_fd(void* ssl, int fd);
long SSL_ctrl(void* ssl, int command, long argument, void* pointer);
int SSL_connect(void* ssl);
int SSL_accept(void* ssl);
int SSL_do_handshake(void* ssl);
int SSL_shutdown(void* ssl);
int SSL_read(void* ssl, void* buffer, int size);
int SSL_write(void* ssl, const void* buffer, int size);
/* Twins of SSL_write that no one probes unasked: a benchmark compares with them. */
int fake_ssl_write_bare(void* ssl, const void* buffer, int size);
int fake_ssl_write_empty(void* ssl, const void* buffer, int size);
/* Both call the plain forms, as some libraries do. */
int SSL_read_ex(void* ssl, void* buffer, size_t size, size_t* length);
int SSL_write_ex(void* ssl, const void* buffer, size_t size, size_t* length);
/* Calls SSL_read: what is read inside a peek is not consumed. */
int SSL_peek(void* ssl, void* buffer, int size);
long SSL_sendfile(void* ssl, int fd, long offset, size_t size, int flags);
int SSL_get_error(void* ssl, int result);

#ifdef __cplusplus
}
#endif

#endif /* SONDE_AGENT_CAPTURE_TESTING_FAKE_SSL_H_ */
