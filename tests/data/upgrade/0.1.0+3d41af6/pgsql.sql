CREATE TABLE public.acct (
    ip_src inet DEFAULT '0.0.0.0'::inet NOT NULL,
    port_dst bigint DEFAULT 0 NOT NULL,
    packets bigint NOT NULL,
    bytes bigint NOT NULL,
    flows bigint DEFAULT 0 NOT NULL
);
CREATE TABLE public.pathacct_progress (
    core_id character(32) NOT NULL,
    instance character varying(255) NOT NULL,
    worker integer NOT NULL,
    seq bigint NOT NULL,
    updated bigint NOT NULL
);
INSERT INTO public.acct VALUES ('10.0.0.1', 1001, 1001, 1000, 0);
INSERT INTO public.acct VALUES ('10.0.0.2', 1001, 2002, 1000, 0);
INSERT INTO public.acct VALUES ('10.0.0.3', 1001, 3003, 1000, 0);
INSERT INTO public.acct VALUES ('10.0.0.1', 1002, 1002, 1000, 0);
INSERT INTO public.acct VALUES ('10.0.0.2', 1002, 2004, 1000, 0);
INSERT INTO public.acct VALUES ('10.0.0.3', 1002, 3006, 1000, 0);
INSERT INTO public.pathacct_progress VALUES ('0ff95f6b46cc74750a39281f73f46531', 'pg', 0, 1, 1796058862);
INSERT INTO public.pathacct_progress VALUES ('a5882b6995bfe05adc5de990eb86485c', 'pg', 0, 1, 1796058862);
ALTER TABLE ONLY public.acct
    ADD CONSTRAINT acct_ip_src_port_dst_key UNIQUE (ip_src, port_dst);
ALTER TABLE ONLY public.pathacct_progress
    ADD CONSTRAINT pathacct_progress_pkey PRIMARY KEY (core_id, instance, worker);
