/** How the evaluation of a part goes on in what encloses it. */
#ifndef ZM_SCRIPT_FLOW_H
#define ZM_SCRIPT_FLOW_H

/** What an evaluation does to those who enclose it. */
typedef enum zm_flow_t {
    ZM_FLOW_NORMAL,
    ZM_FLOW_SKIP,     /**< an expansion failed: the command is not run */
    ZM_FLOW_BREAK,    /**< script->levels more loops to leave */
    ZM_FLOW_CONTINUE, /**< the same, then goes on with the loop reached */
    ZM_FLOW_RETURN,   /**< ends the function or unit; the value is in script->result */
    ZM_FLOW_EXIT,     /**< ends the program */
    ZM_FLOW_ABORT     /**< a limit was reached: everything is unwound */
} zm_flow_t;

#endif
