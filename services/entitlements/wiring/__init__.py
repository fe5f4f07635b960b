"""Where the parts are put together: settings become processes, processes become an installation.

addresses     where the servers are: the environment, else what `entitlements up` wrote into its data folder
installation  what an installation keeps in its folder: its id and its ports
environment   the settings of the environment, or what is wrong with them
waiting       waits for what a process needs, and reports what is missing
processes     the processes by name, and how one of them runs in the foreground
logs          one line a message on standard error
supervisor    starts processes, starts those again that end, stops all of them
preparing     topics and tables, before processes start
readiness     has every process taken up its work, and is it done with what there is?
signals       handling of SIGTERM and SIGINT
servers       the servers of `up` and `demo`: given ones, or local ones in a folder
"""
