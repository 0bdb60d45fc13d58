/* What crun's handler needs of libkrun to be compiled; libkrun itself is opened when a container starts. */
#ifndef LIBKRUN_H
#define LIBKRUN_H
#include <stdint.h>
#include <stdbool.h>
#define KRUN_LOG_LEVEL_OFF 0
#define KRUN_LOG_LEVEL_ERROR 1
#define KRUN_LOG_LEVEL_WARN 2
#define KRUN_LOG_LEVEL_INFO 3
#define KRUN_LOG_LEVEL_DEBUG 4
#define VIRGLRENDERER_RENDER_SERVER (1 << 9)
#define NET_FLAG_DHCP_CLIENT (1 << 1)
#define COMPAT_NET_FEATURES ((1<<0)|(1<<1)|(1<<7)|(1<<10)|(1<<11)|(1<<14))
int32_t krun_set_log_level(uint32_t);
int32_t krun_set_root(uint32_t, const char*);
int32_t krun_start_enter(uint32_t);
#endif
