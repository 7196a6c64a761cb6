/*
 * co_switch(void **save_sp, void *to_sp): push what the ABI calls
 * callee-saved, leave the stack pointer in *save_sp, take `to_sp` and pop the
 * same from there.  co_entry is where a new stack begins: co_prepare() in
 * co.c has laid out the frame that is popped here.
 */
#if defined(__x86_64__) && !defined(CO_SWAPCONTEXT)

	.text
	.globl	co_switch
	.hidden	co_switch
	.type	co_switch, @function
	.p2align 4
co_switch:
	.cfi_startproc
	endbr64
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	subq	$8, %rsp
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	addq	$8, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret
	.cfi_endproc
	.size	co_switch, . - co_switch

	.globl	co_entry
	.hidden	co_entry
	.type	co_entry, @function
	.p2align 4
co_entry:
	.cfi_startproc
	.cfi_undefined rip
	endbr64
	movq	%rbx, %rdi
	call	*%r12
	ud2
	.cfi_endproc
	.size	co_entry, . - co_entry

#elif defined(__aarch64__) && !defined(CO_SWAPCONTEXT)

	.text
	.globl	co_switch
	.hidden	co_switch
	.type	co_switch, %function
	.p2align 4
co_switch:
	.cfi_startproc
	hint	#34			/* bti c */
	sub	sp, sp, #176
	stp	x19, x20, [sp, #0]
	stp	x21, x22, [sp, #16]
	stp	x23, x24, [sp, #32]
	stp	x25, x26, [sp, #48]
	stp	x27, x28, [sp, #64]
	stp	x29, x30, [sp, #80]
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	mrs	x9, fpcr
	str	x9, [sp, #160]
	mov	x9, sp
	str	x9, [x0]
	mov	sp, x1
	ldr	x9, [sp, #160]
	msr	fpcr, x9
	ldp	x19, x20, [sp, #0]
	ldp	x21, x22, [sp, #16]
	ldp	x23, x24, [sp, #32]
	ldp	x25, x26, [sp, #48]
	ldp	x27, x28, [sp, #64]
	ldp	x29, x30, [sp, #80]
	ldp	d8, d9, [sp, #96]
	ldp	d10, d11, [sp, #112]
	ldp	d12, d13, [sp, #128]
	ldp	d14, d15, [sp, #144]
	add	sp, sp, #176
	ret
	.cfi_endproc
	.size	co_switch, . - co_switch

	.globl	co_entry
	.hidden	co_entry
	.type	co_entry, %function
	.p2align 4
co_entry:
	.cfi_startproc
	.cfi_undefined x30
	mov	x0, x19
	blr	x20
	brk	#1
	.cfi_endproc
	.size	co_entry, . - co_entry

#endif

	.section .note.GNU-stack, "", %progbits
