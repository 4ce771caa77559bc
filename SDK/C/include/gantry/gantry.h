/// The whole Gantry plugin ABI. The policy is at the top of abi.h.
#ifndef GANTRY_H
#define GANTRY_H

#include "abi.h"
#include "batch.h"
#include "config.h"
#include "event.h"
#include "host.h"
#include "plugin.h"

#include "ext/chain.h"
#include "ext/feed.h"
#include "ext/library.h"
#include "ext/model.h"
#include "ext/params_live.h"
#include "ext/pull.h"
#include "ext/query.h"
#include "ext/state.h"
#include "ext/state_convert.h"

#include "ext/draft/reconcile.h"

#endif
